// Checks that the records of a segment belong to its shard. A key in another shard's segment is
// never found, because readers look for it where its slot says.
//
// Only a sample is checked, because computing the slots of all keys costs 30% of the full check and
// more: the first record of every fourth index line, one record in 50, costs 1%. So a writer that
// routes keys differently from a reader is detected by the first segments that it writes; a single
// wrong record is not. The sample closely follows the structure check, while the data is in the
// processor's cache: done afterwards it costs five times as much.
//
// Hot loop: plain functions over numbers, nothing allocated.

import { SteleError } from '../../base/errors.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { LINE_BYTES } from '../../segment/layout.ts';
import { boundsOf } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { newRecordBounds } from '../../segment/record.ts';
import { structureSteps } from '../../segment/verify.ts';

const LINES_A_SAMPLE = 4;
const LINE_WORDS = LINE_BYTES / 4;

/**
 * Like `structureSteps`, with a sample check of the records' shards. Yields and throws the same
 * way.
 */
export function* contentSteps(segment: Segment): Generator<number, void, void> {
  let reached = segment.recordsStart;
  let line = 0;
  for (const byteCount of structureSteps(segment)) {
    reached += byteCount;
    line = sampleUpTo(segment, line, reached);
    yield byteCount;
  }
  sampleUpTo(segment, line, segment.recordsEnd);
}

/**
 * Checks lines from `line` on, as long as they begin before the offset `end`; returns the next
 * line.
 */
function sampleUpTo(segment: Segment, line: number, end: number): number {
  const { header, lines } = segment;
  for (; line < header.buckets; line += LINES_A_SAMPLE) {
    // A line without entries has the offset of the next record.
    const offset = (lines[line * LINE_WORDS] as number) >>> 0;
    if (offset >= end) break;
    checkShard(segment, offset);
  }
  return line;
}

const bounds = newRecordBounds();

function checkShard(segment: Segment, offset: number): void {
  const { shard, shardCount } = segment.header;
  boundsOf(segment, offset, bounds);
  const slot = slotOfKey(segment.bytes, bounds.keyStart, bounds.valueStart);
  const own = shardOfSlot(slot, shardCount);
  if (own === shard) return;
  throw new SteleError(
    'CORRUPT',
    `The segment of shard ${shard} of ${shardCount} has a key of shard ${own}, in the record at offset ${offset}: its builder places keys where readers do not look for them. Load again with a loader of this release.`,
  );
}
