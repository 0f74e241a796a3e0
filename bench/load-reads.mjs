// What a load does to those who read: GETs at a fixed rate straight from the datanodes (RESP), first
// with nothing else going on, then while 1 M rows are loaded into another keyspace of the same
// datanodes, as it is by default, with the datanodes' brake off, and with a load that holds back by
// itself. Loader, datanodes and reader share the machine.
//
//   npm run bench -- load-reads          STELE_BENCH_ROUNDS, STELE_BENCH_ROWS, STELE_BENCH_RATE

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  machine,
  main,
  markdownTable,
  median,
  project,
  run,
  startCluster,
  stop,
  tempFolder,
} from './support.mjs';
import { steadyReader } from './steady-reader.mjs';

const rounds = Number(process.env.STELE_BENCH_ROUNDS ?? 5);
const rows = Number(process.env.STELE_BENCH_ROWS ?? 1_000_000);
const readsPerSecond = Number(process.env.STELE_BENCH_RATE ?? 2000);
const IDLE_MS = 4000;
const folder = tempFolder();

const data = join(folder, 'data.csv');
run(process.execPath, [
  join(project, 'data', 'generate.mjs'),
  ...['--rows', String(rows), '--seed', '3', '--format', 'csv', '--value-bytes', '70'],
  ...['--out', data],
]);
const GENTLE = ['--workers', '1', '--max-bytes-per-second', '24MiB'];
const keys = readFileSync(data, 'latin1')
  .split('\n')
  .slice(1, 20_001)
  .map((line) => line.slice(0, 36));

/** A cluster with the keys in it, and somebody who reads them. */
async function startRead(name, brake) {
  const environment = { STELE_INTAKE_BRAKE: brake };
  const cluster = await startCluster(join(folder, name), [], environment);
  const master = cluster.master.at;
  const loadArguments = (keyspace, flags = []) => [
    ...[main, 'load', keyspace, data, '--master', master],
    ...['--work-dir', join(folder, `work-${name}-${keyspace}`), '-o', 'json', ...flags],
  ];
  run(process.execPath, loadArguments('default'));
  const resp = cluster.datanodes.map((one) => one.resp);
  const reader = await steadyReader(resp, keys, readsPerSecond);
  return {
    readIdle: () => {
      const until = performance.now() + IDLE_MS;
      return reader.readUntil(() => performance.now() > until);
    },
    readBesideLoad: async (keyspace, flags) => {
      const startedAt = performance.now();
      const loader = spawn(process.execPath, loadArguments(keyspace, flags), { stdio: 'ignore' });
      const latencies = await reader.readUntil(() => loader.exitCode !== null);
      if (loader.exitCode !== 0) throw new Error(`the load ended with ${loader.exitCode}`);
      const seconds = (performance.now() - startedAt) / 1000;
      run(process.execPath, [main, 'drop', keyspace, '--yes', '--master', master]);
      return { latencies, seconds };
    },
    stop: async () => {
      reader.close();
      await stop(cluster.child);
    },
  };
}

const at = (sorted, share) => sorted[Math.floor(sorted.length * share)];
const idle = [];
const beside = { default: [], 'without the brake': [], [GENTLE.join(' ')]: [] };
for (const [brake, modes] of [
  ['on', { default: [], [GENTLE.join(' ')]: GENTLE }],
  ['off', { 'without the brake': [] }],
]) {
  const cluster = await startRead(brake, brake);
  for (let round = 0; round < rounds; round++) {
    idle.push(await cluster.readIdle());
    for (const [index, [mode, flags]] of Object.entries(modes).entries()) {
      beside[mode].push(await cluster.readBesideLoad(`load${index}x${round}`, flags));
    }
  }
  await cluster.stop();
}

const row = (name, all, seconds) => [
  name,
  ...[0.5, 0.99, 0.999].map((share) => median(all.map((one) => at(one, share))).toFixed(2)),
  seconds,
];
console.log(
  `${readsPerSecond.toLocaleString('en')} GET/s straight from 3 datanodes, beside a load of ${rows.toLocaleString('en')} rows at RF 2; medians of ${rounds}. ${machine()}\n`,
);
console.log(
  markdownTable(
    ['', 'p50 ms', 'p99 ms', 'p99.9 ms', 'load takes'],
    [
      row('nothing else', idle, ''),
      ...Object.entries(beside).map(([mode, all]) =>
        row(
          `beside a load, ${mode}`,
          all.map(({ latencies }) => latencies),
          `${median(all.map(({ seconds }) => seconds)).toFixed(1)} s`,
        ),
      ),
    ],
  ),
);
process.exit(0);
