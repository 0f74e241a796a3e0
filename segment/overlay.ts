// Computes what a delta changes, by looking up each of its keys in the segments below it.
//
//     key not there            added
//     there, another value     replaced    }  the older record no longer counts: `overwritten`
//     there, the same value    unchanged   }
//
// So the totals of the shard with the delta (records, bytes and digest) are exact without a pass
// over the older segments: those of the older segments + those of the delta - those of
// `overwritten`. (The digest is a sum: digest.ts.)

import { addRecordHash, Digest } from './digest.ts';
import { hashKeyAt, lastHash2 } from './hash.ts';
import { newRecordBounds } from './record.ts';
import { findIn, recordIn } from './record-window.ts';
import type { WindowedSegment } from './record-window.ts';
import { isSameValue } from './walk.ts';

/** Counts and digest of a set of records. */
interface Totals {
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** 16 bytes. */
  readonly digest: Buffer;
}

export interface Overlay {
  readonly added: number;
  readonly replaced: number;
  readonly unchanged: number;
  /** Totals of the older records whose keys the delta has too. */
  readonly overwritten: Totals;
}

const STEP_RECORDS = 1024;

/**
 * Compares `delta` with `older`, the segments below it, newest first, of the same shard. Yields
 * after every thousand records or so; the result is the generator's return value. Throws CORRUPT.
 */
export function* overlaySteps(
  delta: WindowedSegment,
  older: readonly WindowedSegment[],
): Generator<void, Overlay, void> {
  const tally = newTally();
  let records = 0;
  for (let at = delta.recordsStart; at < delta.recordsEnd;) {
    at = countRecord(delta, older, at, tally);
    if (++records % STEP_RECORDS === 0) yield;
  }
  const { added, keyBytes, replaced, unchanged, valueBytes } = tally;
  const digest = tally.digest.toBytes();
  const overwritten = { records: replaced + unchanged, keyBytes, valueBytes, digest };
  return { added, replaced, unchanged, overwritten };
}

interface Tally {
  added: number;
  replaced: number;
  unchanged: number;
  keyBytes: number;
  valueBytes: number;
  readonly digest: Digest;
}

function newTally(): Tally {
  const digest = new Digest();
  return { added: 0, replaced: 0, unchanged: 0, keyBytes: 0, valueBytes: 0, digest };
}

const bounds = newRecordBounds();
const olderBounds = newRecordBounds();

/** Counts the delta's record at `at` and returns the offset of the next one. */
function countRecord(
  delta: WindowedSegment,
  older: readonly WindowedSegment[],
  at: number,
  tally: Tally,
): number {
  recordIn(delta, at, bounds);
  const { bytes, view } = delta.window;
  const { keyStart, valueStart, end } = bounds;
  const next = delta.window.base + end;
  const h1 = hashKeyAt(view, keyStart, valueStart, delta.seed1, delta.seed2);
  const h2 = lastHash2();
  for (const segment of older) {
    if (!findIn(segment, bytes, keyStart, valueStart, h1, h2, olderBounds)) continue;
    const { window } = segment;
    const { keyStart: oldKey, valueStart: oldValue, end: oldEnd } = olderBounds;
    if (isSameValue(bytes, valueStart, end, window.bytes, oldValue, oldEnd)) {
      tally.unchanged++;
    } else {
      tally.replaced++;
    }
    tally.keyBytes += oldValue - oldKey;
    tally.valueBytes += oldEnd - oldValue;
    addRecordHash(tally.digest.lanes, 1, window.view, oldKey, oldValue, oldEnd);
    return next;
  }
  tally.added++;
  return next;
}
