// The disk tier: GET from a datanode whose records are on disk and in the page cache, compared with
// the memory tier of the same datanode and with redis-server; and the memory that each key takes.

import { defineBench, REDIS_BENCHMARK, REDIS_CLI, REDIS_SERVER } from '../bench.ts';
import type { Table } from '../bench.ts';
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

async function segmentBytes({ datanodeAt }: Pair): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${datanodeAt.http}/metrics`);
  const [, bytes = '0'] = /^stele_segment_bytes (\d+)/m.exec(await response.text()) ?? [];
  return Number(bytes);
}

function memoryTable(figures: readonly (readonly [string, number])[]): Table {
  return {
    caption: 'Memory that segments take, with keys and values where these are in memory.',
    labels: ['tier'],
    columns: [{ title: 'bytes a key', digits: 1, better: 'lower' }],
    rows: figures.map(([tier, bytes]) => ({ what: [tier], figures: [bytes] })),
  };
}

export const bench = defineBench({
  about: 'GET from the disk tier, out of the page cache; redis-benchmark with 50 connections',
  needs: [REDIS_SERVER, REDIS_CLI, REDIS_BENCHMARK],
  settings: {
    rows: { whole: 1_000_000, short: 20_000 },
    rounds: { whole: 5, short: 1 },
    operations: { whole: 2_000_000, short: 20_000 },
  },
  async run({ operations, rounds, rows }) {
    const pair = await Pair.start(rows);
    const inMemory = await segmentBytes(pair);
    const onDisk = pair.loadOnDisk();
    const withDisk = await segmentBytes(pair);
    const servers = [{ ...pair.datanodeServer, name: 'datanode, in memory' }, onDisk];
    const work = (title: string, pipeline: number, part: number, command = GET): Work => {
      return { title, pipeline, keys: rows, operations: Math.ceil(operations * part), command };
    };
    const works = [
      work('GET, pipeline 1', 1, 1 / 12),
      work('GET, pipeline 16', 16, 1),
      work('GET of absent keys, pipeline 16', 16, 1, ['GET', 'absent:__rand_int__']),
    ];
    const all = [...servers, pair.redisServer];
    const tableRows = works.flatMap((each) => compare(each, all, rounds));
    const caption = `Keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes; medians of the rounds.`;
    const keys = withTagged(rows);
    const warmed = 1 + 1 / 50;
    return [
      comparedTable(caption, tableRows),
      memoryTable([
        ['memory', inMemory / (keys * warmed)],
        ['disk', (withDisk - inMemory) / keys],
      ]),
    ];
  },
});
