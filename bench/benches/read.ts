// Lookups over the Redis protocol directly from a datanode, compared with redis-server with the
// same data, driven by the same redis-benchmark, alternating. Throughput, the server's CPU time per
// operation as accounted by the operating system, and memory per key.

import { defineBench, REDIS_BENCHMARK, REDIS_CLI, REDIS_SERVER } from '../bench.ts';
import type { Row, Table } from '../bench.ts';
import { residentBytes, stop } from '../support/processes.ts';
import {
  compare,
  comparedTable,
  GET,
  KEY_BYTES,
  Pair,
  VALUE_BYTES,
  withTagged,
} from '../support/redis.ts';
import type { Work } from '../support/redis.ts';

const SIZES = [
  { label: '1 KB', valueBytes: 1000, keysMax: 100_000, part: 1 / 3 },
  { label: '10 KB', valueBytes: 10_000, keysMax: 20_000, part: 1 / 15 },
];
const MGET = ['MGET', ...Array.from({ length: 100 }, () => '{t}:__rand_int__')];

/**
 * `operations` is the number for the largest kind; each kind has as many as take about the same
 * time.
 */
function works(keys: number, operations: number): Work[] {
  const work = (title: string, pipeline: number, part: number, command = GET): Work => {
    return { title, pipeline, keys, operations: Math.ceil(operations * part), command };
  };
  return [
    work('GET, pipeline 1', 1, 1 / 12),
    work('GET, pipeline 16', 16, 2 / 3),
    work('GET, pipeline 128', 128, 1),
    work('GET of absent keys, pipeline 16', 16, 2 / 3, ['GET', 'absent:__rand_int__']),
    { ...work('MGET of 100 keys', 1, 1 / 150, MGET), keys: keys / 10 },
  ];
}

async function compareSizes(rows: number, operations: number, rounds: number): Promise<Row[]> {
  const tableRows: Row[] = [];
  for (const { keysMax, label, part, valueBytes } of SIZES) {
    const keys = Math.min(rows, keysMax);
    const pair = await Pair.start(keys, valueBytes);
    const work = {
      ...{ title: `GET of ${label}, pipeline 16`, pipeline: 16, keys, command: GET },
      operations: Math.ceil(operations * part),
    };
    tableRows.push(...compare(work, [pair.redisServer, pair.datanodeServer], rounds));
    for (const each of [pair.redis, pair.datanode]) await stop(each);
  }
  return tableRows;
}

function memoryTable({ datanode, empty, redis, rowCount }: Pair): Table {
  const stored = withTagged(rowCount);
  const overhead = (pid: number, atFirst: number): number =>
    (residentBytes(pid) - atFirst) / stored - KEY_BYTES - VALUE_BYTES;
  return {
    caption: 'Resident memory in addition to key and value.',
    labels: ['server'],
    columns: [{ title: 'bytes a key', digits: 1, better: 'lower' }],
    rows: [
      { what: ['redis-server'], figures: [overhead(redis.pid, empty.redis)] },
      { what: ['datanode'], figures: [overhead(datanode.pid, empty.datanode)] },
    ],
  };
}

export const bench = defineBench({
  about: 'GET and MGET directly from a datanode; redis-benchmark with 50 connections',
  needs: [REDIS_SERVER, REDIS_CLI, REDIS_BENCHMARK],
  settings: {
    rows: { whole: 1_000_000, short: 20_000 },
    rounds: { whole: 5, short: 1 },
    operations: { whole: 3_000_000, short: 30_000 },
  },
  async run({ operations, rounds, rows }) {
    const pair = await Pair.start(rows);
    const servers = [pair.redisServer, pair.datanodeServer];
    const tableRows = works(rows, operations).flatMap((work) => compare(work, servers, rounds));
    tableRows.push(...(await compareSizes(rows, operations, rounds)));
    const caption = `Keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes; medians of the rounds.`;
    return [comparedTable(caption, tableRows), memoryTable(pair)];
  },
});
