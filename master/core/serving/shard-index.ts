// Finds a segment in a version, for each segment that a node reports. Pure.
//
// A segment's id names its shard (base/segment-name.ts), so no lookup table is needed: the chain of
// that shard either has the id or not. Tables of four hundred thousand ids took a master of a large
// cluster most of its first turn.
//
// An index is made once for each manifest and memoised for as long as the manifest exists.

import type { SegmentId } from '../../../base/segment-name.ts';
import type { KeyspaceUid } from '../../../base/ids.ts';
import { shardNamedBy } from '../../../base/segment-name.ts';
import type { Dataset } from '../world/world.ts';

type SegmentsByShard = Dataset['segmentsByShard'];

export interface ShardIndex {
  readonly segmentsByShard: SegmentsByShard;
  /**
   * By shard: the id of its oldest segment; undefined if it has none. Most shards have only one.
   */
  readonly firstIds: readonly (SegmentId | undefined)[];
  /** By shard: its number of segments. */
  readonly chainLengths: Uint16Array;
  readonly chainLengthMax: number;
  readonly segmentCount: number;
  /** Ascending. Any node with the manifest can answer for them. */
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
  const firstIds = segmentsByShard.map((chain) => chain[0]?.id);
  return { segmentsByShard, firstIds, chainLengths, chainLengthMax, segmentCount, emptyShards };
}

/** The shard of the version that contains the segment; -1 if none does. */
export function shardOfSegment(index: ShardIndex, segmentId: SegmentId): number {
  const shard = shardNamedBy(segmentId);
  if (index.firstIds[shard] === segmentId) return shard;
  if ((index.chainLengths[shard] ?? 0) < 2) return -1;
  return index.segmentsByShard[shard]?.some(({ id }) => id === segmentId) === true ? shard : -1;
}

type Named = readonly Pick<Dataset, 'uid' | 'segmentsByShard'>[];

const byUid = new WeakMap<Named, ReadonlyMap<KeyspaceUid, readonly ShardIndex[]>>();

/**
 * Interns an id: returns the equal string of the manifests, shared by all nodes. So a name is
 * stored once instead of once per replica, and comparing it costs nothing.
 */
export function manifestName(datasets: Named, uid: string, segmentId: string): SegmentId {
  let known = byUid.get(datasets);
  if (known === undefined) byUid.set(datasets, (known = indexesByUid(datasets)));
  for (const index of known.get(uid as KeyspaceUid) ?? []) {
    const shard = shardNamedBy(segmentId);
    const name = index.firstIds[shard];
    if (name === segmentId) return name;
    if ((index.chainLengths[shard] ?? 0) < 2) continue;
    const later = index.segmentsByShard[shard]?.find(({ id }) => id === segmentId);
    if (later !== undefined) return later.id;
  }
  return segmentId as SegmentId;
}

function indexesByUid(datasets: Named): ReadonlyMap<KeyspaceUid, readonly ShardIndex[]> {
  const found = new Map<KeyspaceUid, ShardIndex[]>();
  for (const dataset of datasets) {
    const known = found.get(dataset.uid);
    if (known === undefined) found.set(dataset.uid, [shardIndexOf(dataset)]);
    else known.push(shardIndexOf(dataset));
  }
  return found;
}

const shared = new WeakMap<ShardIndex, WeakMap<ShardIndex, number>>();

/** The number of segments that two versions have in common. */
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
