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
// Invariants: every live key is visited exactly once, in order of position; the live record of a
// key is the one in the newest segment that has it. Nothing is allocated per record.

import assert from 'node:assert/strict';
import { SteleError } from '../../base/errors.ts';
import { POSITION_COUNT } from '../../resp/data/scan-cursor.ts';
import { hashKeyAt, lastHash2 } from '../../segment/hash.ts';
import { findHashedRecord, firstRecordNear } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { decodeRecord, newRecordBounds } from '../../segment/record.ts';

const POSITION_SHIFT = 8;
/** One more than the last position. */
export const POSITION_END: number = POSITION_COUNT;
assert(POSITION_END === 2 ** (32 - POSITION_SHIFT));

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Call `next` until it returns false; the fields describe the current record. */
export class ShardWalk {
  /** Position of the current record. */
  position = 0;
  /** The segment's bytes: the key is at [keyStart, valueStart), the value at [valueStart, end). */
  bytes: Buffer = NO_BYTES;
  keyStart = 0;
  valueStart = 0;
  end = 0;
  readonly #heads: SegmentHead[];

  /** Starts at the first record whose position is `position` or greater. */
  constructor(segments: readonly Segment[], position: number) {
    this.#heads = segments.map((segment) => new SegmentHead(segment, position));
  }

  /** Moves to the next live record; returns false if there is none. Throws CORRUPT. */
  next(): boolean {
    for (;;) {
      const age = this.#nearest();
      const head = this.#heads[age];
      if (head === undefined || head.position === POSITION_END) return false;
      const isLive = !this.#isHidden(head, age);
      if (isLive) this.#show(head);
      head.advance();
      if (isLive) return true;
    }
  }

  /** The index of the segment whose next record comes first; the newest of equals. */
  #nearest(): number {
    const heads = this.#heads;
    let nearest = 0;
    for (let age = 1; age < heads.length; age++) {
      if ((heads[age] as SegmentHead).position < (heads[nearest] as SegmentHead).position) {
        nearest = age;
      }
    }
    return nearest;
  }

  /** Whether a newer segment has the key too. */
  #isHidden(head: SegmentHead, age: number): boolean {
    for (let newer = 0; newer < age; newer++) {
      const { segment } = this.#heads[newer] as SegmentHead;
      const { bytes } = head.segment;
      const { keyStart, valueStart } = head.bounds;
      if (findHashedRecord(segment, bytes, keyStart, valueStart, head.h1, head.h2) >= 0)
        return true;
    }
    return false;
  }

  #show(head: SegmentHead): void {
    this.position = head.position;
    this.bytes = head.segment.bytes;
    this.keyStart = head.bounds.keyStart;
    this.valueStart = head.bounds.valueStart;
    this.end = head.bounds.end;
  }
}

/** The next record of one segment; `position` is POSITION_END after the last. */
class SegmentHead {
  readonly segment: Segment;
  readonly bounds = newRecordBounds();
  position = 0;
  h1 = 0;
  h2 = 0;

  constructor(segment: Segment, position: number) {
    this.segment = segment;
    this.bounds.end = segment.recordsEnd;
    if (position >= POSITION_END) {
      this.position = POSITION_END;
      return;
    }
    this.bounds.end = firstRecordNear(segment, position << POSITION_SHIFT);
    do this.advance();
    while (this.position < position);
  }

  advance(): void {
    const { segment, bounds } = this;
    const at = bounds.end;
    if (at >= segment.recordsEnd) {
      this.position = POSITION_END;
      return;
    }
    if (!decodeRecord(segment.bytes, at, segment.recordsEnd, bounds)) {
      throw new SteleError('CORRUPT', `Segment ${segment.meta.id} has no record at offset ${at}.`);
    }
    const { keyStart, valueStart } = bounds;
    this.h1 = hashKeyAt(segment.view, keyStart, valueStart, segment.seed1, segment.seed2);
    this.h2 = lastHash2();
    this.position = this.h1 >>> POSITION_SHIFT;
  }
}
