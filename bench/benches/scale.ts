// What stays constant and what grows from 1 M to 50 M rows: load rate, resident memory, bytes per
// key, lookup latency. One datanode, RF 1.
//
// 50 M rows are a file of 5.4 GB, and need three times that on disk and 8 GB of memory.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { defineBench, REDIS_BENCHMARK } from '../bench.ts';
import type { Row } from '../bench.ts';
import { median } from '../support/measure.ts';
import {
  cpuSeconds,
  load,
  residentBytes,
  startCluster,
  stop,
  tempFolder,
} from '../support/processes.ts';
import type { Addresses } from '../support/processes.ts';
import { redisBenchmark } from '../support/redis.ts';
import { KEY_BYTES, VALUE_BYTES, writeLines } from '../support/rows.ts';

const SIZES = [1_000_000, 10_000_000, 50_000_000];
const PREFIX = 'user:of-the-benchmark---'; // and 12 digits: 36 bytes
/**
 * Odd and not a multiple of 5, so that neighbours in the file are not neighbours in the keyspace.
 */
const STRIDE = 7_368_787;
const LOOKUP_ROUNDS = 3;

interface Lookups {
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuNs: number;
}

function writeRows(folder: string, rows: number): string {
  const value = 'a row of seventy bytes '.repeat(4).slice(0, VALUE_BYTES);
  const lineOf = (row: number): string =>
    `${PREFIX}${String((row * STRIDE) % rows).padStart(12, '0')},${value}\n`;
  return writeLines(join(folder, 'rows.csv'), rows, lineOf, 'key,value\n');
}

/** 50 connections, pipelines of 16, random keys. */
function lookUp({ pid, resp }: Addresses, rows: number, operations: number): Lookups {
  const cpu = cpuSeconds(pid);
  const command = ['GET', `${PREFIX}__rand_int__`];
  const { p50Ms, p99Ms, rate } = redisBenchmark(resp, operations, 16, rows, command);
  return { rate, p50Ms, p99Ms, cpuNs: ((cpuSeconds(pid) - cpu) * 1e9) / operations };
}

async function measure(folder: string, rows: number, operations: number): Promise<Row> {
  const path = writeRows(folder, rows);
  const dataDir = join(folder, `data-${rows}`);
  const cluster = await startCluster(dataDir, ['--datanodes', '1', '--replication', '1']);
  const [datanode] = cluster.datanodes;
  if (datanode === undefined) throw new Error('the cluster has no datanode');
  const before = residentBytes(datanode.pid);
  const startedAt = performance.now();
  load(cluster.masterAt, 'default', path, join(folder, 'work'), rows);
  const seconds = (performance.now() - startedAt) / 1000;
  lookUp(datanode, rows, operations);
  const rounds = Array.from({ length: LOOKUP_ROUNDS }, () => lookUp(datanode, rows, operations));
  const grown = residentBytes(datanode.pid) - before;
  await stop(cluster);
  rmSync(dataDir, { recursive: true });
  rmSync(path);
  const of = (field: keyof Lookups): number => median(rounds.map((round) => round[field]));
  return {
    what: [rows.toLocaleString('en')],
    figures: [
      ...[seconds, rows / seconds, grown / 2 ** 20, grown / rows - KEY_BYTES - VALUE_BYTES],
      ...[of('rate'), of('p50Ms'), of('p99Ms'), of('cpuNs')],
    ],
  };
}

export const bench = defineBench({
  about: 'One datanode, RF 1, up to --rows rows of CSV',
  needs: [REDIS_BENCHMARK],
  settings: {
    rows: { whole: 50_000_000, short: 20_000 },
    operations: { whole: 2_000_000, short: 20_000 },
  },
  async run({ operations, rows }) {
    const folder = tempFolder();
    const tableRows: Row[] = [];
    for (const size of [...SIZES.filter((each) => each < rows), rows]) {
      tableRows.push(await measure(folder, size, operations));
    }
    return [
      {
        caption: `Keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes; then random GETs in pipelines of 16 over 50 connections.`,
        labels: ['rows'],
        columns: [
          { title: 'load s', digits: 1 },
          { title: 'rows/s', digits: 0, better: 'higher' },
          { title: 'resident grew by, MiB', digits: 0, better: 'lower' },
          { title: 'bytes a key over key+value', digits: 1 },
          { title: 'GET/s', digits: 0, better: 'higher' },
          { title: 'p50 ms', digits: 2, better: 'lower' },
          { title: 'p99 ms', digits: 2, better: 'lower' },
          { title: 'CPU ns/GET', digits: 0, better: 'lower' },
        ],
        rows: tableRows,
      },
    ];
  },
});
