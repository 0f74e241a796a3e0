// Merges a shard's base and deltas into one segment that has the newest record of every key.
//
// The records go through the builder like the parts of a load, oldest first, with the rule 'last'.
// So the result is the segment that would be built from the merged rows, wherever it is built:
// replicas that merge independently produce the same file under the same name.

import assert from 'node:assert/strict';
import { buildSegment } from './builder.ts';
import type { BuiltSegment } from './builder.ts';
import type { Segment } from './reader.ts';

/**
 * Merges `segments`, oldest first, at least one, all of one shard of one keyspace. Takes about 150
 * ns and 28 bytes of scratch per record, and cannot be interrupted. Throws LOAD_REJECTED if the
 * result is too large for a segment.
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
