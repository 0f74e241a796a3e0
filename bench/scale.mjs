// What stays the same and what grows from 1 M to 50 M rows: rows a second of a load, resident memory,
// bytes a key, latency of a lookup. One datanode, RF 1. Needs redis-benchmark.
//
//   npm run bench -- scale         STELE_BENCH_SCALE=1000000,10000000,50000000
//
// 50 M rows are a file of 5.4 GB, and need three times that on disk and 8 GB of memory.

import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  cpuSeconds,
  has,
  machine,
  main,
  markdownTable,
  median,
  residentBytes,
  run,
  startCluster,
  stop,
  tempFolder,
} from './support.mjs';

const sizes = (process.env.STELE_BENCH_SCALE ?? '1000000,10000000,50000000').split(',').map(Number);
const PREFIX = 'user:of-the-benchmark---'; // and 12 digits: 36 bytes
const VALUE_BYTES = 70;
const PAYLOAD_BYTES = 36 + VALUE_BYTES;

if (!has('redis-benchmark', 'redis-tools')) process.exit(0);
const folder = tempFolder();
const quiet = { env: { ...process.env, STELE_LOG_LEVEL: 'error' } };

function writeRows(rows) {
  const path = join(folder, 'rows.csv');
  const file = openSync(path, 'w');
  writeSync(file, 'key,value\n');
  const value = 'a row of seventy bytes '.repeat(4).slice(0, VALUE_BYTES);
  for (let row = 0; row < rows;) {
    let text = '';
    for (; row < rows && text.length < 1 << 20; row++) {
      // Not in order: neighbours in the file are no neighbours in the keyspace.
      const number = (row * 7_368_787) % rows;
      text += `${PREFIX}${String(number).padStart(12, '0')},${value}\n`;
    }
    writeSync(file, text);
  }
  closeSync(file);
  return path;
}

async function measure(rows) {
  const path = writeRows(rows);
  const dataDir = join(folder, `data-${rows}`);
  const flags = ['--datanodes', '1', '--replication', '1'];
  const { child, datanodes, master } = await startCluster(dataDir, flags);
  const [datanode] = datanodes;
  const before = residentBytes(datanode.pid);
  const startedAt = performance.now();
  const printed = run(
    process.execPath,
    [
      ...[main, 'load', 'default', path, '--master', master.at],
      ...['--work-dir', join(folder, 'work'), '-o', 'json'],
    ],
    quiet,
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const { loaded } = JSON.parse(printed.trim().split('\n').at(-1));
  if (loaded !== rows) throw new Error(`loaded ${loaded} of ${rows}`);
  const lookups = () => lookup(datanode, rows);
  lookups();
  const rounds = [lookups(), lookups(), lookups()];
  const grown = residentBytes(datanode.pid) - before;
  await stop(child);
  rmSync(dataDir, { recursive: true });
  rmSync(path);
  return [
    rows.toLocaleString('en'),
    seconds.toFixed(1),
    Math.round(rows / seconds).toLocaleString('en'),
    `${(grown / 2 ** 20).toFixed(0)} MiB`,
    (grown / rows - PAYLOAD_BYTES).toFixed(1),
    ...['rate', 'p50', 'p99'].map((field) => {
      const value = median(rounds.map((round) => round[field]));
      return field === 'rate' ? Math.round(value).toLocaleString('en') : value.toFixed(2);
    }),
    Math.round(median(rounds.map(({ cpuNs }) => cpuNs))).toLocaleString('en'),
  ];
}

/** 50 connections, pipelines of 16, random keys. */
function lookup({ resp, pid }, rows) {
  const operations = 2_000_000;
  const cpu = cpuSeconds(pid);
  const printed = run('redis-benchmark', [
    ...['-p', String(resp), '-c', '50', '-P', '16', '-n', String(operations), '-r', String(rows)],
    ...['--csv', 'GET', `${PREFIX}__rand_int__`],
  ]);
  const cells = printed.trim().split('\n').at(-1).replaceAll('"', '').split(',').map(Number);
  const [, rate, , , p50, , p99] = cells;
  return { rate, p50, p99, cpuNs: ((cpuSeconds(pid) - cpu) * 1e9) / operations };
}

const rows = [];
for (const size of sizes) rows.push(await measure(size));
console.log(
  `One datanode, RF 1, CSV, keys of 36 bytes, values of ${VALUE_BYTES} bytes; then random GETs in pipelines of 16 over 50 connections. ${machine()}\n`,
);
console.log(
  markdownTable(
    [
      'rows',
      'load s',
      'rows/s',
      'resident grew by',
      'bytes a key over key+value',
      'GET/s',
      'p50 ms',
      'p99 ms',
      'CPU ns/GET',
    ],
    rows,
  ),
);
process.exit(0);
