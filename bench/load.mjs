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

/** A fresh cluster for every load, so that nothing is there already. */
async function timeLoad(path, label) {
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
  const grpc = processes.find(({ title }) => title.startsWith('master')).grpc;
  const before = datanodes.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
  const startedAt = performance.now();
  const printed = run(process.execPath, [
    main,
    'load',
    'bench',
    path,
    ...['--master', `127.0.0.1:${grpc}`, '--work-dir', join(folder, `work-${label}`), '-o', 'json'],
  ]);
  const elapsedMs = performance.now() - startedAt;
  const summary = JSON.parse(printed.trim().split('\n').at(-1));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = datanodes.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
  await stop(cluster);
  if (summary.loaded !== rows) throw new Error(`loaded ${summary.loaded} of ${rows}`);
  return { elapsedMs, residentGrowth: after - before };
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
  return { elapsedMs, residentGrowth: 0 };
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

const keyAndValueBytes = rows * (36 + 70) * 2;
const base = median([...results.values()][0].map(({ elapsedMs }) => elapsedMs));
const table = [...results].map(([name, all]) => {
  const elapsedMs = median(all.map((result) => result.elapsedMs));
  const growth = median(all.map((result) => result.residentGrowth));
  return [
    name,
    (elapsedMs / 1000).toFixed(2),
    Math.round((rows / elapsedMs) * 1000).toLocaleString('en'),
    (base / elapsedMs).toFixed(2),
    growth > 0 ? (growth / keyAndValueBytes).toFixed(2) : '-',
  ];
});
console.log(
  `Load of ${rows} rows (36-byte keys, 70-byte values), 3 datanodes, RF 2, from the command to visible; medians of ${rounds}. ${machine()}\n`,
);
console.log(
  markdownTable(
    ['loader', 'seconds', 'rows/s', 'ratio', 'resident growth / (key + value bytes held)'],
    table,
  ),
);
process.exit(0);
