// Walks the live records of one shard of one version, from any position, across all of its
// segments. Used by SCAN, RANDOMKEY and the commands about a slot.
//
//   segments, newest first        one order: the first hash lane of the key
//     [  a     d    f  ]
//     [ a' b       e   ]    ->    a  b  c  d  e  f        (a' is hidden by the newer a)
//     [    c  d'     g ]
//
// A position is the upper 24 bits of that lane, 0 .. POSITION_END - 1. It depends only on the key
// and the keyspace, not on the segment, the version, or the number of records. Keys of one position
// are adjacent, so a reader that stops between two positions can continue from the second.
//
// Of the segments of a shard, only a stretch of records of each is needed: whole segments that are in
// memory, or what was read from disk (disk-scan.ts).
//
// Invariants: every live key is visited exactly once, in order of position; the live record of a
// key is the one in the newest segment that has it. Nothing is allocated per record.

import assert from 'node:assert/strict';
import { SteleError } from '../../base/errors.ts';
import { POSITION_COUNT } from '../../resp/data/scan-cursor.ts';
import { hashKeyAt } from '../../segment/hash.ts';
import { firstRecordNear } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { decodeRecord, newRecordBounds } from '../../segment/record.ts';

export const POSITION_SHIFT = 8;
/** One more than the last position. */
export const POSITION_END: number = POSITION_COUNT;
assert(POSITION_END === 2 ** (32 - POSITION_SHIFT));

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Consecutive records of one segment: all of its records of the positions that are walked. */
export interface Stretch {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Where the first record begins, and the last ends, in `bytes`. */
  readonly start: number;
  readonly end: number;
  readonly seed1: number;
  readonly seed2: number;
}

/** The records of a segment in memory from `position` on. */
export function stretchInMemory(segment: Segment, position: number): Stretch {
  const { bytes, recordsEnd, seed1, seed2, view } = segment;
  const isAfter = position >= POSITION_END;
  const start = isAfter ? recordsEnd : firstRecordNear(segment, position << POSITION_SHIFT);
  return { bytes, view, start, end: recordsEnd, seed1, seed2 };
}

/** A walk over segments in memory, newest first, from `position` on. */
export function walkInMemory(segments: readonly Segment[], position: number): ShardWalk {
  const stretches = segments.map((segment) => stretchInMemory(segment, position));
  return new ShardWalk(stretches, position, POSITION_END);
}

/** Call `next` until it returns false; the fields describe the current record. */
export class ShardWalk {
  /** Position of the current record. */
  position = 0;
  /** The segment's bytes: the key is at [keyStart, valueStart), the value at [valueStart, end). */
  bytes: Buffer = NO_BYTES;
  keyStart = 0;
  valueStart = 0;
  end = 0;
  readonly #heads: StretchHead[];
  readonly #endPosition: number;
  /** The keys that were visited at the position `#seenPosition`, in newer segments first. */
  readonly #seen: { bytes: Buffer; start: number; end: number }[] = [];
  #seenPosition = -1;
  #seenCount = 0;

  /** Visits the records of positions `position` to `endPosition` (exclusive); newest segment first. */
  constructor(stretches: readonly Stretch[], position: number, endPosition: number) {
    this.#heads = stretches.map((stretch) => new StretchHead(stretch, position));
    this.#endPosition = endPosition;
  }

  /** Moves to the next live record; returns false if there is none. Throws CORRUPT. */
  next(): boolean {
    for (;;) {
      const head = this.#nearest();
      if (head === undefined || head.position >= this.#endPosition) return false;
      const isLive = !this.#isHidden(head);
      if (isLive) this.#show(head);
      head.advance();
      if (isLive) return true;
    }
  }

  /** The segment whose next record comes first; the newest of equals. */
  #nearest(): StretchHead | undefined {
    const heads = this.#heads;
    let nearest = heads[0];
    for (let age = 1; age < heads.length; age++) {
      const head = heads[age] as StretchHead;
      if (head.position < (nearest as StretchHead).position) nearest = head;
    }
    return nearest;
  }

  /**
   * Whether a newer segment has the key too. All of its records of a position have been visited
   * before those of an older segment.
   */
  #isHidden(head: StretchHead): boolean {
    if (this.#heads.length === 1) return false;
    if (head.position !== this.#seenPosition) {
      this.#seenPosition = head.position;
      this.#seenCount = 0;
    }
    const { bytes } = head.stretch;
    const { keyStart, valueStart } = head.bounds;
    for (let index = 0; index < this.#seenCount; index++) {
      const seen = this.#seen[index] as { bytes: Buffer; start: number; end: number };
      if (seen.bytes.compare(bytes, keyStart, valueStart, seen.start, seen.end) === 0) return true;
    }
    const seen = (this.#seen[this.#seenCount++] ??= { bytes, start: 0, end: 0 });
    seen.bytes = bytes;
    seen.start = keyStart;
    seen.end = valueStart;
    return false;
  }

  #show(head: StretchHead): void {
    this.position = head.position;
    this.bytes = head.stretch.bytes;
    this.keyStart = head.bounds.keyStart;
    this.valueStart = head.bounds.valueStart;
    this.end = head.bounds.end;
  }
}

/** The next record of one stretch; `position` is POSITION_END after the last. */
class StretchHead {
  readonly stretch: Stretch;
  readonly bounds = newRecordBounds();
  position = 0;

  constructor(stretch: Stretch, position: number) {
    this.stretch = stretch;
    this.bounds.end = stretch.start;
    do this.advance();
    while (this.position < position);
  }

  advance(): void {
    const { bounds, stretch } = this;
    const at = bounds.end;
    if (at >= stretch.end) {
      this.position = POSITION_END;
      return;
    }
    if (!decodeRecord(stretch.bytes, at, stretch.end, bounds)) {
      throw new SteleError('CORRUPT', 'A segment has no record where its index says.');
    }
    const { keyStart, valueStart } = bounds;
    const h1 = hashKeyAt(stretch.view, keyStart, valueStart, stretch.seed1, stretch.seed2);
    this.position = h1 >>> POSITION_SHIFT;
  }
}
