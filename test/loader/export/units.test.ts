// How an export is divided into files.

import { expect, test } from 'vitest';
import { FILE_BYTES, chainsOf, unitsOf } from '../../../loader/export/units.ts';
import type { HeldSegment } from '../../../loader/transfer/cluster-client.ts';

function segment(shard: number, byteCount: number): HeldSegment {
  const counts = { fileBytes: byteCount, records: 1, keyBytes: 0, valueBytes: byteCount };
  const info = { id: `${shard}`, shard, ...counts, digest: Buffer.alloc(16) };
  return { info, overwritten: undefined, holders: [] };
}

test('small shards share a unit, up to the bytes of a file', () => {
  const third = FILE_BYTES / 3;
  const shards = [0, 1, 2, 3, 7].map((shard) => segment(shard, third));
  expect(unitsOf(shards)).toEqual([
    { first: 0, last: 2 },
    { first: 3, last: 7 },
  ]);
  expect(unitsOf([])).toEqual([]);
});

test('a large shard is a unit, and the chain of a shard is never divided', () => {
  const shards = [segment(0, 1), segment(1, FILE_BYTES), segment(1, FILE_BYTES), segment(2, 1)];
  expect(unitsOf(shards)).toEqual([
    { first: 0, last: 0 },
    { first: 1, last: 1 },
    { first: 2, last: 2 },
  ]);
  const chains = chainsOf({ first: 1, last: 2 }, shards);
  expect(chains.map((chain) => chain.map(({ info }) => info.shard))).toEqual([[1, 1], [2]]);
});

test('a unit takes the segments of its shards as they are by then', () => {
  expect(chainsOf({ first: 0, last: 3 }, [segment(2, 5)])).toHaveLength(1);
  expect(chainsOf({ first: 0, last: 1 }, [segment(2, 5)])).toEqual([]);
});
