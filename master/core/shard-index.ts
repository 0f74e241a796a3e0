// Where the segments of a version belong: looked up once for each segment that a node reports. Pure.
//
// It is made once for each manifest and remembered with it, for as long as somebody has the manifest.

import type { Dataset } from './world.ts';

type SegmentsByShard = Dataset['segmentsByShard'];

export interface ShardIndex {
  /** By id of a segment. */
  readonly shardOf: ReadonlyMap<string, number>;
  /** By shard: how many segments it has. */
  readonly chainLengths: Uint16Array;
  readonly chainLengthMax: number;
  /** Ascending. Whoever has the manifest can answer for them. */
  readonly emptyShards: readonly number[];
}

const indexes = new WeakMap<SegmentsByShard, ShardIndex>();

export function shardIndexOf({ segmentsByShard }: Pick<Dataset, 'segmentsByShard'>): ShardIndex {
  const known = indexes.get(segmentsByShard);
  if (known !== undefined) return known;
  const index = newIndex(segmentsByShard);
  indexes.set(segmentsByShard, index);
  return index;
}

function newIndex(segmentsByShard: SegmentsByShard): ShardIndex {
  const shardOf = new Map<string, number>();
  const chainLengths = new Uint16Array(segmentsByShard.length);
  const emptyShards: number[] = [];
  let chainLengthMax = 0;
  for (const [shard, chain] of segmentsByShard.entries()) {
    for (const { id } of chain) shardOf.set(id, shard);
    chainLengths[shard] = chain.length;
    chainLengthMax = Math.max(chainLengthMax, chain.length);
    if (chain.length === 0) emptyShards.push(shard);
  }
  return { shardOf, chainLengths, chainLengthMax, emptyShards };
}

const shared = new WeakMap<ShardIndex, WeakMap<ShardIndex, number>>();

/** How many segments two versions have in common. */
export function sharedIds(left: ShardIndex, right: ShardIndex): number {
  if (left === right) return left.shardOf.size;
  let ofLeft = shared.get(left);
  if (ofLeft === undefined) shared.set(left, (ofLeft = new WeakMap()));
  let count = ofLeft.get(right);
  if (count === undefined) {
    count = 0;
    for (const id of left.shardOf.keys()) if (right.shardOf.has(id)) count++;
    ofLeft.set(right, count);
  }
  return count;
}
