// Checks what an order or a transfer names before any of it is carried out: numbers must be within
// their limits, and ids must have the form of ids, because they become names of files and folders.

import { parseKeyspaceUid } from '../base/ids.ts';
import { parseSegmentId } from '../base/segment-name.ts';
import type { CopyOrder, HeldSegment, MergeOrder } from '../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../proto/gen/stele/v1/segment.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import { assertShardCount } from '../base/shard-count.ts';

/** Throws INVALID_ARGUMENT. */
export function checkView({ keyspaces, shardCount }: ClusterView): void {
  assertShardCount(shardCount);
  for (const { uid } of keyspaces) parseKeyspaceUid(uid);
}

/** Throws INVALID_ARGUMENT. */
export function checkManifest({ keyspaceUid, segments, shardCount }: Manifest): void {
  assertShardCount(shardCount);
  parseKeyspaceUid(keyspaceUid);
  for (const { id } of segments) parseSegmentId(id);
}

/** Throws INVALID_ARGUMENT. */
export function checkSegments(segments: readonly HeldSegment[]): void {
  for (const { keyspaceUid, segmentId } of segments) {
    parseKeyspaceUid(keyspaceUid);
    parseSegmentId(segmentId);
  }
}

/** Throws INVALID_ARGUMENT. */
export function checkCopies(orders: readonly CopyOrder[]): void {
  for (const { keyspaceUid, segment } of orders) {
    parseKeyspaceUid(keyspaceUid);
    if (segment !== undefined) parseSegmentId(segment.id);
  }
}

/** Throws INVALID_ARGUMENT. */
export function checkMerges(orders: readonly MergeOrder[]): void {
  for (const { keyspaceUid, segmentIds } of orders) {
    parseKeyspaceUid(keyspaceUid);
    segmentIds.forEach(parseSegmentId);
  }
}
