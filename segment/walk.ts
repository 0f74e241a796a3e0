// Reads several segments of one keyspace as one sorted sequence of keys.
//
// All segments of a keyspace are sorted by (h1, h2, key), so one merge pass over them visits every
// key once, with all the segments that have it:
//
//     newest   . b . d        nextKey  ->  a: [base]   b: [newest, older]   c: [older]   d: [newest]
//     older    . b c .
//     base     a . . .
//
// Keys are hashed again on the way (38 ns each), because a segment stores no hashes. The smallest
// key is found by a linear search over the segments, of which there are few.
//
// Each segment is read through a window (record-window.ts), so those on disk take no more memory than
// that.
//
// Hot loop: plain functions over numbers; the cursors are allocated once.

import { hashKeyAt, lastHash2 } from './hash.ts';
import { newRecordBounds } from './record.ts';
import type { RecordBounds } from './record.ts';
import { recordIn } from './record-window.ts';
import type { RecordWindow, WindowedSegment } from './record-window.ts';

/** The position in one segment. Read-only for callers. */
interface Cursor {
  readonly segment: WindowedSegment;
  readonly window: RecordWindow;
  /** Offset of the current record in the file; -1 after the last. */
  offset: number;
  /** Where the next record begins. */
  nextOffset: number;
  /** Bounds of the current record in `window.bytes`. */
  readonly bounds: RecordBounds;
  h1: number;
  h2: number;
  /** Whether this segment has the current key. */
  isAtKey: boolean;
}

export interface Walk {
  readonly cursors: readonly Cursor[];
  /** The first of the cursors that are at the current key; valid after `nextKey` returned true. */
  first: Cursor | undefined;
}

/** Starts before the first key. The cursors are in the order of `segments`. */
export function newWalk(segments: readonly WindowedSegment[]): Walk {
  const cursors = segments.map((segment): Cursor => {
    const { recordsStart: nextOffset, window } = segment;
    const at = { offset: 0, nextOffset, bounds: newRecordBounds() };
    return { segment, window, ...at, h1: 0, h2: 0, isAtKey: true };
  });
  return { cursors, first: undefined };
}

/**
 * Advances to the next key; returns false after the last. Throws CORRUPT if a record cannot be
 * decoded.
 */
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
  // Cursors that were compared with a larger key before the smallest was found.
  for (const cursor of cursors) {
    if (cursor === least) return true;
    cursor.isAtKey = false;
  }
  return true;
}

/** Moves to the next record of the segment; the offset is -1 after the last. */
function advance(cursor: Cursor): void {
  const { bounds, segment, window } = cursor;
  const at = cursor.nextOffset;
  cursor.isAtKey = false;
  if (at >= segment.recordsEnd) {
    cursor.offset = -1;
    return;
  }
  recordIn(segment, at, bounds);
  cursor.offset = at;
  cursor.nextOffset = window.base + bounds.end;
  const { keyStart, valueStart } = bounds;
  cursor.h1 = hashKeyAt(window.view, keyStart, valueStart, segment.seed1, segment.seed2);
  cursor.h2 = lastHash2();
}

/** Negative, 0 or positive, by (h1, h2, key bytes), the hashes as unsigned numbers. */
function compareKeys(a: Cursor, b: Cursor): number {
  if (a.h1 !== b.h1) return a.h1 >>> 0 < b.h1 >>> 0 ? -1 : 1;
  if (a.h2 !== b.h2) return a.h2 >>> 0 < b.h2 >>> 0 ? -1 : 1;
  const { keyStart, valueStart } = a.bounds;
  const other = b.bounds;
  return a.window.bytes.compare(
    b.window.bytes,
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
