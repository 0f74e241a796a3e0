// Where the segments of a version belong: asked once for each segment that a node reports. Pure.
//
// A segment's id begins with its shard (docs/segment-format.md), so that there is nothing to look up, only
// to compare: the chain of that shard has the id, or the version has not. To make tables of four hundred
// thousand ids instead is what took a master of a large cluster most of its first turn.
//
// An index is made once for each manifest and remembered with it, for as long as somebody has the manifest.

import type { Dataset } from './world.ts';

type SegmentsByShard = Dataset['segmentsByShard'];

export interface ShardIndex {
  readonly segmentsByShard: SegmentsByShard;
  /** By shard: the id of its oldest segment; empty: it has none. Most shards have no other. */
  readonly firstIds: readonly string[];
  /** By shard: how many segments it has. */
  readonly chainLengths: Uint16Array;
  readonly chainLengthMax: number;
  readonly segmentCount: number;
  /** Ascending. Whoever has the manifest can answer for them. */
  readonly emptyShards: readonly number[];
}

/** Digits of the shard at the beginning of a segment's id. */
const SHARD_DIGITS = 5;
const DIGIT_ZERO = 0x30;

const indexes = new WeakMap<SegmentsByShard, ShardIndex>();

export function shardIndexOf({ segmentsByShard }: Pick<Dataset, 'segmentsByShard'>): ShardIndex {
  const known = indexes.get(segmentsByShard);
  if (known !== undefined) return known;
  const index = newIndex(segmentsByShard);
  indexes.set(segmentsByShard, index);
  return index;
}

function newIndex(segmentsByShard: SegmentsByShard): ShardIndex {
  const chainLengths = new Uint16Array(segmentsByShard.length);
  const emptyShards: number[] = [];
  let chainLengthMax = 0;
  let segmentCount = 0;
  for (const [shard, { length }] of segmentsByShard.entries()) {
    chainLengths[shard] = length;
    chainLengthMax = Math.max(chainLengthMax, length);
    segmentCount += length;
    if (length === 0) emptyShards.push(shard);
  }
  const firstIds = segmentsByShard.map((chain) => chain[0]?.id ?? '');
  return { segmentsByShard, firstIds, chainLengths, chainLengthMax, segmentCount, emptyShards };
}

/** The shard that the version has the segment in, or -1: it is none of this version's. */
export function shardOfSegment(index: ShardIndex, segmentId: string): number {
  const shard = shardNamed(segmentId);
  if (index.firstIds[shard] === segmentId) return shard;
  if ((index.chainLengths[shard] ?? 0) < 2) return -1;
  return index.segmentsByShard[shard]?.some(({ id }) => id === segmentId) === true ? shard : -1;
}

type Named = readonly Pick<Dataset, 'uid' | 'segmentsByShard'>[];

const byUid = new WeakMap<Named, ReadonlyMap<string, readonly ShardIndex[]>>();

/**
 * The id as the manifests have it: the same text, and the same string for all nodes. So a segment's name is
 * kept once and not once a replica, and to compare it costs nothing.
 */
export function manifestName(datasets: Named, uid: string, segmentId: string): string {
  let known = byUid.get(datasets);
  if (known === undefined) byUid.set(datasets, (known = indexesByUid(datasets)));
  for (const index of known.get(uid) ?? []) {
    const shard = shardNamed(segmentId);
    const name = index.firstIds[shard];
    if (name === segmentId) return name;
    if ((index.chainLengths[shard] ?? 0) < 2) continue;
    const later = index.segmentsByShard[shard]?.find(({ id }) => id === segmentId);
    if (later !== undefined) return later.id;
  }
  return segmentId;
}

function indexesByUid(datasets: Named): ReadonlyMap<string, readonly ShardIndex[]> {
  const found = new Map<string, ShardIndex[]>();
  for (const dataset of datasets) {
    const known = found.get(dataset.uid);
    if (known === undefined) found.set(dataset.uid, [shardIndexOf(dataset)]);
    else known.push(shardIndexOf(dataset));
  }
  return found;
}

/** What the id begins with; no shard's number where that is none. */
function shardNamed(segmentId: string): number {
  let shard = 0;
  for (let at = 0; at < SHARD_DIGITS; at++) {
    shard = shard * 10 + segmentId.charCodeAt(at) - DIGIT_ZERO;
  }
  return shard;
}

const shared = new WeakMap<ShardIndex, WeakMap<ShardIndex, number>>();

/** How many segments two versions have in common. */
export function sharedIds(left: ShardIndex, right: ShardIndex): number {
  if (left === right) return left.segmentCount;
  let ofLeft = shared.get(left);
  if (ofLeft === undefined) shared.set(left, (ofLeft = new WeakMap()));
  let count = ofLeft.get(right);
  if (count === undefined) {
    count = 0;
    for (const chain of left.segmentsByShard) {
      for (const { id } of chain) if (shardOfSegment(right, id) >= 0) count++;
    }
    ofLeft.set(right, count);
  }
  return count;
}
