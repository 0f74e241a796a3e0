// One segment out of a shard's base and deltas: of every key the newest record.
//
// The records go through the builder as the parts of any load do, in the order oldest to newest with
// the rule 'last'. So the bytes are those of a segment built from the merged rows, wherever it is
// done: replicas that merge by themselves come to the same file, under the same name.

import assert from 'node:assert/strict';
import { buildSegment } from './builder.ts';
import type { BuiltSegment } from './builder.ts';
import type { Segment } from './reader.ts';

/**
 * Merges `segments`, oldest first, at least one, all of one shard of one keyspace. Takes about 150 ns a
 * record and 28 bytes of scratch, and is not interruptible. Throws LOAD_REJECTED if the result is too large for a segment.
 */
export function mergeSegments(segments: readonly Segment[]): BuiltSegment {
  const [first] = segments;
  assert(first !== undefined, 'There is nothing to merge.');
  const { keyspaceUid, shard, shardCount } = first.meta;
  for (const { meta } of segments) {
    assert(meta.keyspaceUid === keyspaceUid && meta.shard === shard, 'Not of one shard.');
  }
  const parts = segments.map(({ bytes, recordsEnd, recordsStart }) =>
    bytes.subarray(recordsStart, recordsEnd),
  );
  const result = buildSegment({ keyspaceUid, shard, shardCount, parts, onConflict: 'last' });
  assert(result.segment !== undefined, 'The rule "last" leaves no conflict.');
  return result.segment;
}
