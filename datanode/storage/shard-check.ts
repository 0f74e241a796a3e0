// Checks that the records of a segment belong to its shard. A key in another shard's segment is
// never found, because readers look for it where its slot says.
//
// Only a sample is checked, because computing the slots of all keys costs 30% of the full check and
// more: the first record of every fourth index line, one record in 50, costs 1%. So a writer that
// routes keys differently from a reader is detected by the first segments that it writes; a single
// wrong record is not. The sample is taken during the structure check, while the data is in the
// processor's cache: done afterwards it costs five times as much.

import { SteleError } from '../../base/errors.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import type { SegmentHeader } from '../../segment/header.ts';
import type { Segment } from '../../segment/reader.ts';
import { structureSteps } from '../../segment/verify.ts';
import type { OnSample } from '../../segment/verify.ts';

/**
 * Like `structureSteps`, with a sample check of the records' shards. Yields and throws the same
 * way.
 */
export function contentSteps(segment: Segment): Generator<number, void, void> {
  return structureSteps(segment, shardCheck(segment.header));
}

/** Checks the shard of each sample. Throws CORRUPT. */
export function shardCheck({ shard, shardCount }: SegmentHeader): OnSample {
  return (bytes, keyStart, keyEnd, offset) => {
    const own = shardOfSlot(slotOfKey(bytes, keyStart, keyEnd), shardCount);
    if (own === shard) return;
    throw new SteleError(
      'CORRUPT',
      `The segment of shard ${shard} of ${shardCount} has a key of shard ${own}, in the record at offset ${offset}: its builder places keys where readers do not look for them. Load again with a loader of this release.`,
    );
  };
}
