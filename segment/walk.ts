// Several segments of one keyspace as one sorted sequence of keys.
//
// All segments of a keyspace are sorted alike, by (h1, h2, key), so one pass over them side by side
// meets every key once, with all the segments that have it:
//
//     newest   . b . d        nextKey  ->  a: [base]   b: [newest, older]   c: [older]   d: [newest]
//     older    . b c .
//     base     a . . .
//
// Keys are hashed again on the way (38 ns each), since a segment keeps no hashes. The smallest key is
// found by looking at all segments: there are a handful.
//
// Hot loop: plain functions over numbers; the cursors are made once.

import { hashKeyAt, lastHash2 } from './hash.ts';
import { boundsOf } from './reader.ts';
import type { Segment } from './reader.ts';
import { newRecordBounds } from './record.ts';
import type { RecordBounds } from './record.ts';

/** Where a walk stands in one segment. Read only for callers. */
interface Cursor {
  readonly segment: Segment;
  /** Offset of the record; the end of the records when there is none left. */
  offset: number;
  /** Of that record. */
  readonly bounds: RecordBounds;
  h1: number;
  h2: number;
  /** Whether this segment has the walk's present key. */
  isAtKey: boolean;
}

export interface Walk {
  readonly cursors: readonly Cursor[];
  /** The first of the cursors that have the present key; valid after `nextKey` returned true. */
  first: Cursor | undefined;
}

/** Before the first key. The cursors are in the order of `segments`. */
export function newWalk(segments: readonly Segment[]): Walk {
  const cursors = segments.map((segment): Cursor => {
    const bounds = newRecordBounds();
    bounds.end = segment.recordsStart;
    return { segment, offset: 0, bounds, h1: 0, h2: 0, isAtKey: true };
  });
  return { cursors, first: undefined };
}

/** Moves on to the next key; false after the last. Throws CORRUPT where records cannot be decoded. */
export function nextKey(walk: Walk): boolean {
  const { cursors } = walk;
  let least: Cursor | undefined;
  for (const cursor of cursors) {
    if (cursor.isAtKey) advance(cursor);
    if (cursor.offset < 0) continue;
    const order = least === undefined ? -1 : compareKeys(cursor, least);
    if (order < 0) least = cursor;
    cursor.isAtKey = order === 0;
  }
  walk.first = least;
  if (least === undefined) return false;
  least.isAtKey = true;
  // What was compared with a larger key before the least one was found.
  for (const cursor of cursors) {
    if (cursor === least) return true;
    cursor.isAtKey = false;
  }
  return true;
}

/** To the next record of its segment; at the end the offset is -1. */
function advance(cursor: Cursor): void {
  const { bounds, segment } = cursor;
  const at = bounds.end;
  cursor.isAtKey = false;
  if (at >= segment.recordsEnd) {
    cursor.offset = -1;
    return;
  }
  boundsOf(segment, at, bounds);
  cursor.offset = at;
  const { keyStart, valueStart } = bounds;
  cursor.h1 = hashKeyAt(segment.view, keyStart, valueStart, segment.seed1, segment.seed2);
  cursor.h2 = lastHash2();
}

/** Negative, 0 or positive, by (h1, h2, key bytes), the hashes as unsigned numbers. */
function compareKeys(a: Cursor, b: Cursor): number {
  if (a.h1 !== b.h1) return a.h1 >>> 0 < b.h1 >>> 0 ? -1 : 1;
  if (a.h2 !== b.h2) return a.h2 >>> 0 < b.h2 >>> 0 ? -1 : 1;
  const { keyStart, valueStart } = a.bounds;
  const other = b.bounds;
  return a.segment.bytes.compare(
    b.segment.bytes,
    other.keyStart,
    other.valueStart,
    keyStart,
    valueStart,
  );
}

/** Whether two values have the same bytes. */
export function isSameValue(
  a: Buffer,
  aStart: number,
  aEnd: number,
  b: Buffer,
  bStart: number,
  bEnd: number,
): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  return a.compare(b, bStart, bEnd, aStart, aEnd) === 0;
}
