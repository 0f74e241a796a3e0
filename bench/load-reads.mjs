// What a load does to those who read: GETs at a fixed rate straight from the datanodes (RESP, ioredis
// in cluster mode), first with nothing else going on, then while 1 M rows are loaded into another
// keyspace of the same datanodes. Loader, datanodes and reader share the machine.
//
//   npm run bench -- load-reads          STELE_BENCH_ROUNDS, STELE_BENCH_ROWS, STELE_BENCH_RATE

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from 'ioredis';
import {
  addressesIn,
  machine,
  main,
  markdownTable,
  median,
  project,
  run,
  start,
  stop,
  tempFolder,
} from './support.mjs';

const rounds = Number(process.env.STELE_BENCH_ROUNDS ?? 5);
const rows = Number(process.env.STELE_BENCH_ROWS ?? 1_000_000);
const readsPerSecond = Number(process.env.STELE_BENCH_RATE ?? 2000);
const TICK_MS = 5;
const IDLE_MS = 4000;
const folder = tempFolder();

const data = join(folder, 'data.csv');
run(process.execPath, [
  join(project, 'data', 'generate.mjs'),
  ...['--rows', String(rows), '--seed', '3', '--format', 'csv', '--value-bytes', '70'],
  ...['--out', data],
]);
const ports = ['--http-port', '0', '--resp-port', '0', '--grpc-port', '0'];
const cluster = await start(
  process.execPath,
  [main, 'up', ...ports, '--data-dir', join(folder, 'cluster')],
  /^ready$/m,
  { env: { ...process.env, STELE_LOG_LEVEL: 'error' } },
);
const processes = addressesIn(cluster.printed);
const master = `127.0.0.1:${processes.find(({ title }) => title === 'master').grpc}`;
const GENTLE = ['--workers', '1', '--max-bytes-per-second', '24MiB'];
const loadArguments = (keyspace, flags = []) => [
  ...[main, 'load', keyspace, data, '--master', master],
  ...['--work-dir', join(folder, `work-${keyspace}`), '-o', 'json', ...flags],
];
run(process.execPath, loadArguments('default'));
const keys = readFileSync(data, 'latin1')
  .split('\n')
  .slice(1, 20_001)
  .map((line) => line.slice(0, 36));

const reader = new Cluster(
  processes
    .filter(({ title }) => title.startsWith('datanode'))
    .map(({ resp }) => ({ host: '127.0.0.1', port: resp })),
  { slotsRefreshInterval: 1000, scaleReads: 'all' },
);
await reader.get(keys[0]);

/** Latencies in ms of reads at the fixed rate until `isOver()`. */
async function readUntil(isOver) {
  const latencies = [];
  let failed = 0;
  let sent = 0;
  const startedAt = performance.now();
  const running = new Set();
  while (!isOver()) {
    const due = ((performance.now() - startedAt) / 1000) * readsPerSecond;
    for (; sent < due; sent++) {
      const at = performance.now();
      const one = reader.get(keys[sent % keys.length]).then(
        (value) => {
          if (value === null) failed++;
          latencies.push(performance.now() - at);
          running.delete(one);
        },
        () => failed++,
      );
      running.add(one);
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(running);
  if (failed > 0) throw new Error(`${failed} reads failed`);
  return latencies.sort((a, b) => a - b);
}

const at = (sorted, share) => sorted[Math.floor(sorted.length * share)];
const results = { idle: [], loading: [], gentle: [] };
for (let round = 0; round < rounds; round++) {
  const until = performance.now() + IDLE_MS;
  results.idle.push(await readUntil(() => performance.now() > until));
  for (const [mode, flags] of Object.entries({ loading: [], gentle: GENTLE })) {
    const keyspace = `${mode}${round}`;
    const loader = spawn(process.execPath, loadArguments(keyspace, flags), { stdio: 'ignore' });
    results[mode].push(await readUntil(() => loader.exitCode !== null));
    if (loader.exitCode !== 0) throw new Error(`the load ended with ${loader.exitCode}`);
    run(process.execPath, [main, 'drop', keyspace, '--yes', '--master', master]);
  }
}
reader.disconnect();
await stop(cluster);

const row = (name, all) => [
  name,
  ...[0.5, 0.99, 0.999].map((share) => median(all.map((one) => at(one, share))).toFixed(2)),
];
console.log(
  `${readsPerSecond.toLocaleString('en')} GET/s straight from 3 datanodes, beside a load of ${rows.toLocaleString('en')} rows at RF 2; medians of ${rounds}. ${machine()}\n`,
);
console.log(
  markdownTable(
    ['', 'p50 ms', 'p99 ms', 'p99.9 ms'],
    [
      row('nothing else', results.idle),
      row('while loading', results.loading),
      row(`while loading with ${GENTLE.join(' ')}`, results.gentle),
    ],
  ),
);
process.exit(0);
