// `stele load` from the command to visible: 1 M rows of CSV, every segment verified and synced to disk,
// beside `redis-cli --pipe` into one redis-server; and what the datanodes' resident memory grows by.
// Needs redis-server and redis-cli for the comparison.
//
// A cluster runs for weeks, so loads into a running one are what counts; the first load after a start,
// when the engine has compiled nothing yet, has a row of its own.
//
//   npm run bench -- load          STELE_BENCH_ROUNDS, STELE_BENCH_ROWS

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
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
  startCluster,
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

const CLUSTER = ['--datanodes', '3', '--replication', '2'];
const ONE_NODE = ['--datanodes', '1', '--replication', '1'];
let clusters = 0;

async function startTarget(flags) {
  const dataDir = join(folder, `cluster-${clusters++}`);
  const { child, datanodes, master } = await startCluster(dataDir, flags);
  return { cluster: child, datanodes, master: master.at, loads: 0 };
}

function load(path, keyspace, master) {
  const printed = run(process.execPath, [
    main,
    'load',
    keyspace,
    path,
    ...['--master', master, '--work-dir', join(folder, `work-${keyspace}`), '-o', 'json'],
  ]);
  const summary = JSON.parse(printed.trim().split('\n').at(-1));
  if (summary.loaded !== rows) throw new Error(`loaded ${summary.loaded} of ${rows}`);
}

/** Into a keyspace of its own, so that nothing is there already; dropped afterwards. */
function timeLoad(path, target) {
  const keyspace = `bench${target.loads++}`;
  const startedAt = performance.now();
  load(path, keyspace, target.master);
  const elapsedMs = performance.now() - startedAt;
  run(process.execPath, [main, 'drop', keyspace, '--yes', '--master', target.master]);
  return elapsedMs;
}

async function timeFirstLoad(path) {
  const target = await startTarget(CLUSTER);
  const elapsedMs = timeLoad(path, target);
  await stop(target.cluster);
  return elapsedMs;
}

/** Resident bytes of the datanodes with nothing, and after each of `keyspaces` loads of `path`. */
async function residentAfterLoads(path, keyspaces) {
  const { cluster, datanodes, master } = await startTarget(CLUSTER);
  const resident = () => datanodes.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
  const growth = [];
  const before = resident();
  for (let keyspace = 1; keyspace <= keyspaces; keyspace++) {
    load(path, `memory${keyspace}`, master);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    growth.push(resident() - before);
  }
  await stop(cluster);
  return growth;
}

function protocolFile() {
  const lines = readFileSync(plain, 'latin1').split('\n').slice(1).filter(Boolean);
  const path = join(folder, 'redis.protocol');
  const file = openSync(path, 'w');
  for (let at = 0; at < lines.length; at += 100_000) {
    const text = lines.slice(at, at + 100_000).map((line) => {
      const value = line.slice(37);
      return `*3\r\n$3\r\nSET\r\n$36\r\n${line.slice(0, 36)}\r\n$${value.length}\r\n${value}\r\n`;
    });
    writeSync(file, text.join(''), null, 'latin1');
  }
  closeSync(file);
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
  return elapsedMs;
}

const withRedis = has('redis-server', 'redis-server') && has('redis-cli', 'redis-tools');
const protocol = withRedis ? protocolFile() : undefined;
const three = await startTarget(CLUSTER);
const one = await startTarget(ONE_NODE);
for (const target of [three, one]) timeLoad(plain, target);
const contenders = [
  ...(withRedis ? [['redis-cli --pipe, one copy, in memory only', () => timeRedis(protocol)]] : []),
  ['Stele, 3 datanodes, RF 2, unquoted', () => timeLoad(plain, three)],
  ['Stele, 3 datanodes, RF 2, quoted', () => timeLoad(quoted, three)],
  ['Stele, 1 datanode, RF 1, unquoted', () => timeLoad(plain, one)],
  ['Stele, 3 datanodes, RF 2, unquoted, first load after the start', () => timeFirstLoad(plain)],
];
const results = new Map(contenders.map(([name]) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const [name, time] of contenders) results.get(name).push(await time());
}
await stop(three.cluster);
await stop(one.cluster);

const base = median([...results.values()][0]);
const table = [...results].map(([name, all]) => {
  const elapsedMs = median(all);
  return [
    name,
    (elapsedMs / 1000).toFixed(2),
    Math.round((rows / elapsedMs) * 1000).toLocaleString('en'),
    (base / elapsedMs).toFixed(2),
  ];
});
console.log(
  `Load of ${rows.toLocaleString('en')} rows of CSV (36-byte keys, 70-byte values), from the command to visible; medians of ${rounds}. ${machine()}\n`,
);
console.log(markdownTable(['loader', 'seconds', 'rows/s', 'ratio'], table));

if (rows <= 1_000_000) {
  const keyAndValueBytes = rows * (36 + 70) * 2;
  const growth = await residentAfterLoads(plain, 4);
  console.log(
    `\nResident growth of the three datanodes over the bytes of keys and values they hold, after 1 to 4 keyspaces of ${rows.toLocaleString('en')} rows: ${growth.map((bytes, index) => (bytes / keyAndValueBytes / (index + 1)).toFixed(2)).join(', ')}.`,
  );
}
process.exit(0);
