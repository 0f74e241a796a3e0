// The library client beside ioredis in cluster mode, on the same datanodes with the same keys, in one
// process, alternating: single reads, and 100 keys at a time. Throughput, latency, and the reading
// process's own CPU a key.
//
//   npm run bench -- client        STELE_BENCH_ROUNDS, STELE_BENCH_SECONDS, STELE_BENCH_ROWS
//
// A cluster client's MGET does not span slots: for 100 keys it sends 100 GETs, which auto-pipelining
// puts into one write a node. Their values may be of two versions; getMany's never are.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from 'ioredis';
import {
  machine,
  markdownTable,
  median,
  project,
  run,
  startCluster,
  stop,
  tempFolder,
} from './support.mjs';

const rounds = Number(process.env.STELE_BENCH_ROUNDS ?? 5);
const seconds = Number(process.env.STELE_BENCH_SECONDS ?? 4);
const rows = Number(process.env.STELE_BENCH_ROWS ?? 200_000);
const BATCH_KEYS = 100;
const KEY_BYTES = 36;

const folder = tempFolder();
const data = join(folder, 'rows.data');
run(process.execPath, [
  join(project, 'data', 'generate.mjs'),
  ...['--rows', String(rows), '--seed', '7', '--value-bytes', '70', '--out', data],
]);
const keys = readFileSync(data, 'latin1')
  .split('\n')
  .filter(Boolean)
  .map((line) => line.slice(0, KEY_BYTES));

const cluster = await startCluster(join(folder, 'cluster'), ['--load', `default=${data}`]);

const { SteleClient } = await import(join(project, 'dist', 'embedded', 'library.js'));
const stele = new SteleClient({ seeds: [cluster.master.at] });
const ioredis = new Cluster(
  cluster.datanodes.map(({ resp }) => ({ host: '127.0.0.1', port: resp })),
  { scaleReads: 'all', enableAutoPipelining: true },
);

/** Each reads keys [at, at + count) and gives how many of them have a value. */
const contenders = [
  {
    name: 'SteleClient',
    one: async (key) => ((await stele.get('default', key)) === null ? 0 : 1),
    many: async (batch) => (await stele.getMany('default', batch)).values.filter(Boolean).length,
  },
  {
    name: 'ioredis cluster, auto-pipelining',
    one: async (key) => ((await ioredis.getBuffer(key)) === null ? 0 : 1),
    many: async (batch) =>
      (await Promise.all(batch.map((key) => ioredis.getBuffer(key)))).filter(Boolean).length,
  },
];

/** `lanes` calls at a time for a while: keys a second, latencies of the calls, CPU of this process a key. */
async function measure(call, batchKeys, lanes, forMs) {
  const latencies = [];
  const until = performance.now() + forMs;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  let next = 0;
  const lane = async () => {
    while (performance.now() < until) {
      next = (next + batchKeys) % (keys.length - batchKeys);
      const at = performance.now();
      const asked = batchKeys === 1 ? keys[next] : keys.slice(next, next + batchKeys);
      if ((await call(asked)) !== batchKeys) throw new Error('a value is missing');
      latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const tookMs = performance.now() - startedAt;
  const { system, user } = process.cpuUsage(cpuBefore);
  latencies.sort((a, b) => a - b);
  const keyCount = latencies.length * batchKeys;
  return {
    rate: keyCount / (tookMs / 1000),
    p50Ms: latencies[Math.floor(latencies.length * 0.5)],
    p99Ms: latencies[Math.floor(latencies.length * 0.99)],
    cpuUs: (user + system) / keyCount,
  };
}

const kinds = [
  { name: 'get, 1 at a time', call: 'one', batchKeys: 1, lanes: 1 },
  { name: 'get, 50 at a time', call: 'one', batchKeys: 1, lanes: 50 },
  { name: '100 keys, 1 call at a time', call: 'many', batchKeys: BATCH_KEYS, lanes: 1 },
  { name: '100 keys, 10 calls at a time', call: 'many', batchKeys: BATCH_KEYS, lanes: 10 },
];

const table = [];
for (const { batchKeys, call, lanes, name } of kinds) {
  const results = new Map(contenders.map((contender) => [contender.name, []]));
  for (const contender of contenders) await measure(contender[call], batchKeys, lanes, 500);
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      const result = await measure(contender[call], batchKeys, lanes, seconds * 1000);
      results.get(contender.name).push(result);
    }
  }
  for (const [contender, all] of results) {
    const of = (field) => median(all.map((result) => result[field]));
    const base = median(results.get(contenders[1].name).map(({ rate }) => rate));
    table.push([
      ...[name, contender, Math.round(of('rate')).toLocaleString('en')],
      ...[(of('rate') / base).toFixed(2), of('p50Ms').toFixed(2), of('p99Ms').toFixed(2)],
      of('cpuUs').toFixed(1),
    ]);
  }
}

console.log(
  `Reads from 3 datanodes, RF 2, ${rows.toLocaleString('en')} keys of ${KEY_BYTES} bytes, values of 70 bytes; medians of ${rounds} rounds of ${seconds} s. ${machine()}\n`,
);
console.log(
  markdownTable(
    ['', 'client', 'keys/s', 'ratio', 'p50 ms', 'p99 ms', 'client CPU us a key'],
    table,
  ),
);
await stele.close();
ioredis.disconnect();
await stop(cluster);
process.exit(0);
