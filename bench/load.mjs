// `stele load` from the command to visible: 1 M rows of CSV on 3 datanodes with RF 2, every segment
// verified and synced to disk, beside `redis-cli --pipe` into one redis-server; and what the
// datanodes' resident memory grows by. Needs redis-server and redis-cli for the comparison.
//
//   npm run bench -- load          STELE_BENCH_ROUNDS, STELE_BENCH_ROWS

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addressesIn,
  freePort,
  has,
  machine,
  main,
  markdownTable,
  median,
  project,
  residentBytes,
  run,
  start,
  stop,
  tempFolder,
} from './support.mjs';

const rounds = Number(process.env.STELE_BENCH_ROUNDS ?? 3);
const rows = Number(process.env.STELE_BENCH_ROWS ?? 1_000_000);
const folder = tempFolder();

function generate(name, flags) {
  const path = join(folder, name);
  run(process.execPath, [
    join(project, 'data', 'generate.mjs'),
    ...[
      '--rows',
      String(rows),
      '--seed',
      '3',
      '--format',
      'csv',
      '--value-bytes',
      '70',
      '--out',
      path,
    ],
    ...flags,
  ]);
  return path;
}

const plain = generate('plain.csv', []);
const quoted = generate('quoted.csv', ['--quoted']);

async function startCluster(label) {
  const cluster = await start(
    process.execPath,
    [
      main,
      'up',
      ...['--http-port', '0', '--resp-port', '0', '--grpc-port', '0'],
      ...['--data-dir', join(folder, `cluster-${label}`)],
    ],
    /^ready$/m,
    { env: { ...process.env, STELE_LOG_LEVEL: 'error' } },
  );
  const processes = addressesIn(cluster.printed);
  const datanodes = processes.filter(({ title }) => title.startsWith('datanode'));
  return { cluster, datanodes, grpc: processes.find(({ title }) => title === 'master').grpc };
}

function load(path, keyspace, grpc) {
  const printed = run(process.execPath, [
    main,
    'load',
    keyspace,
    path,
    ...['--master', `127.0.0.1:${grpc}`, '--work-dir', join(folder, `work-${keyspace}`)],
    ...['-o', 'json'],
  ]);
  return JSON.parse(printed.trim().split('\n').at(-1));
}

/** A fresh cluster for every load, so that nothing is there already. */
async function timeLoad(path, label) {
  const { cluster, grpc } = await startCluster(label);
  const startedAt = performance.now();
  const summary = load(path, 'bench', grpc);
  const elapsedMs = performance.now() - startedAt;
  await stop(cluster);
  if (summary.loaded !== rows) throw new Error(`loaded ${summary.loaded} of ${rows}`);
  return { elapsedMs };
}

/** Resident bytes of the datanodes with nothing, and after each of `keyspaces` loads of `path`. */
async function residentAfterLoads(path, keyspaces) {
  const { cluster, datanodes, grpc } = await startCluster('memory');
  const resident = () => datanodes.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
  const growth = [];
  const before = resident();
  for (let keyspace = 1; keyspace <= keyspaces; keyspace++) {
    load(path, `memory${keyspace}`, grpc);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    growth.push(resident() - before);
  }
  await stop(cluster);
  return growth;
}

function protocolFile() {
  const lines = readFileSync(plain, 'latin1').split('\n').slice(1).filter(Boolean);
  const path = join(folder, 'redis.protocol');
  const text = lines.map((line) => {
    const value = line.slice(37);
    return `*3\r\n$3\r\nSET\r\n$36\r\n${line.slice(0, 36)}\r\n$${value.length}\r\n${value}\r\n`;
  });
  writeFileSync(path, text.join(''), 'latin1');
  return path;
}

async function timeRedis(path) {
  const port = await freePort();
  const redis = await start(
    'redis-server',
    ['--port', String(port), '--save', ''],
    /eady to accept/,
  );
  const startedAt = performance.now();
  run('sh', ['-c', `redis-cli -p ${port} --pipe < ${path}`]);
  const elapsedMs = performance.now() - startedAt;
  await stop(redis);
  return { elapsedMs };
}

const withRedis = has('redis-server', 'redis-server') && has('redis-cli', 'redis-tools');
const protocol = withRedis ? protocolFile() : undefined;
const contenders = [
  ...(withRedis ? [['redis-cli --pipe, one copy, in memory only', () => timeRedis(protocol)]] : []),
  ['Stele, unquoted CSV', (round) => timeLoad(plain, `plain-${round}`)],
  ['Stele, quoted CSV', (round) => timeLoad(quoted, `quoted-${round}`)],
];
const results = new Map(contenders.map(([name]) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, time] of contenders) results.get(name).push(await time(round));
}

const base = median([...results.values()][0].map(({ elapsedMs }) => elapsedMs));
const table = [...results].map(([name, all]) => {
  const elapsedMs = median(all.map((result) => result.elapsedMs));
  return [
    name,
    (elapsedMs / 1000).toFixed(2),
    Math.round((rows / elapsedMs) * 1000).toLocaleString('en'),
    (base / elapsedMs).toFixed(2),
  ];
});
console.log(
  `Load of ${rows} rows (36-byte keys, 70-byte values), 3 datanodes, RF 2, from the command to visible; medians of ${rounds}. ${machine()}\n`,
);
console.log(markdownTable(['loader', 'seconds', 'rows/s', 'ratio'], table));

const keyAndValueBytes = rows * (36 + 70) * 2;
const growth = await residentAfterLoads(plain, 4);
console.log(
  `\nResident growth of the three datanodes over the bytes of keys and values they hold, after 1 to 4 keyspaces of ${rows} rows: ${growth.map((bytes, index) => (bytes / keyAndValueBytes / (index + 1)).toFixed(2)).join(', ')}.`,
);
process.exit(0);
