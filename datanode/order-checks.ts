// What an order or a transfer names, checked before any of it is carried out: numbers within their
// limits, and ids of the form that ids have, since they become names of files and folders.

import { keyspaceUidOf, segmentIdOf } from '../base/ids.ts';
import type { CopyOrder, HeldSegment, MergeOrder } from '../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../proto/gen/stele/v1/segment.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import { assertShardCount } from '../base/shard-count.ts';

/** Throws INVALID_ARGUMENT. */
export function checkView({ keyspaces, shardCount }: ClusterView): void {
  assertShardCount(shardCount);
  for (const { uid } of keyspaces) keyspaceUidOf(uid);
}

/** Throws INVALID_ARGUMENT. */
export function checkManifest({ keyspaceUid, segments, shardCount }: Manifest): void {
  assertShardCount(shardCount);
  keyspaceUidOf(keyspaceUid);
  for (const { id } of segments) segmentIdOf(id);
}

/** Throws INVALID_ARGUMENT. */
export function checkSegments(segments: readonly HeldSegment[]): void {
  for (const { keyspaceUid, segmentId } of segments) {
    keyspaceUidOf(keyspaceUid);
    segmentIdOf(segmentId);
  }
}

/** Throws INVALID_ARGUMENT. */
export function checkCopies(orders: readonly CopyOrder[]): void {
  for (const { keyspaceUid, segment } of orders) {
    keyspaceUidOf(keyspaceUid);
    if (segment !== undefined) segmentIdOf(segment.id);
  }
}

/** Throws INVALID_ARGUMENT. */
export function checkMerges(orders: readonly MergeOrder[]): void {
  for (const { keyspaceUid, segmentIds } of orders) {
    keyspaceUidOf(keyspaceUid);
    segmentIds.forEach(segmentIdOf);
  }
}
