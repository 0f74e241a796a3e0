// Whether the records of a segment are of its shard. A key in another shard's segment is never found: it is looked
// for where its slot says.
//
// A sample, because the slots of all keys cost 30% of the full check and more: the record that each fourth line of the
// index begins with, one of 50, for 1%. So a writer that routes keys otherwise than a reader is found by
// the first segments that it writes; one wrong record among many is not. The sample follows the check of the structure
// closely, while what that has read is in the processor's cache: done afterwards it costs five times as much.
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

/** `structureSteps`, with a sample of the records' shards. Yields and throws as that does. */
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

/** Goes on from `line` as far as lines begin before the offset `end`; returns where to go on next. */
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
    `The segment of shard ${shard} of ${shardCount} has a key of shard ${own}, in the record at offset ${offset}: whoever built it puts keys elsewhere than they are looked for. Load again with a loader of this release.`,
  );
}
