// Work on whole segments that takes longer than a reader should wait. It runs in worker threads, on
// the memory that the segments are served from. All functions are pure, over data that can be
// posted to a thread.
//
// `stop` is four shared bytes: the caller sets the first to end the task early (CANCELLED).

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { diffSteps } from '../../segment/diff.ts';
import type { ShardDiff } from '../../segment/diff.ts';
import type { SegmentMeta } from '../../segment/layout.ts';
import { mergeSegments } from '../../segment/merge.ts';
import { overlaySteps } from '../../segment/overlay.ts';
import type { Overlay } from '../../segment/overlay.ts';
import { openSegment } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { verifyRange } from '../../segment/verify.ts';

const READ_BYTES = 1024 * 1024;

/** A segment's bytes as they are posted: shared, not copied. */
export interface SharedSegment {
  readonly shared: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

interface Stoppable {
  readonly stop: Int32Array;
}

/** Compares a delta with the older segments, newest first. */
export interface MeasureTask extends Stoppable {
  readonly delta: SharedSegment;
  readonly older: readonly SharedSegment[];
}

/** The segments are oldest first. */
export interface MergeTask {
  readonly segments: readonly SharedSegment[];
}

export interface MergedSegment {
  readonly segment: SharedSegment;
  readonly meta: SegmentMeta;
}

/** The segments of both sides are newest first. */
export interface DiffTask extends Stoppable {
  readonly from: readonly SharedSegment[];
  readonly to: readonly SharedSegment[];
  readonly samplesMax: number;
}

/** Checks the bytes `[from, to)` of a segment, in memory and in its file. */
export interface ScrubTask {
  readonly segment: SharedSegment;
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** What is wrong with each copy; undefined if it is good. The file is not read if memory is bad. */
export interface ScrubFinding {
  readonly memory: string | undefined;
  readonly disk: string | undefined;
}

export function shareSegment({ bytes }: Pick<Segment, 'bytes'>): SharedSegment {
  return { shared: bytes.buffer, byteOffset: bytes.byteOffset, byteLength: bytes.byteLength };
}

export function sharedBytes({ byteLength, byteOffset, shared }: SharedSegment): Buffer {
  return Buffer.from(shared, byteOffset, byteLength);
}

function openShared(shared: SharedSegment): Segment {
  return openSegment(sharedBytes(shared));
}

/** Throws CANCELLED, CORRUPT. */
export function measure({ delta, older, stop }: MeasureTask): Overlay {
  return runSteps(overlaySteps(openShared(delta), older.map(openShared)), stop);
}

/** Throws LOAD_REJECTED if the result is too large. Cannot be interrupted. */
export function merge({ segments }: MergeTask): MergedSegment {
  const merged = mergeSegments(segments.map(openShared));
  return { segment: shareSegment(merged), meta: merged.info };
}

/** Throws CANCELLED, CORRUPT. */
export function diff({ from, samplesMax, stop, to }: DiffTask): ShardDiff {
  return runSteps(diffSteps(from.map(openShared), to.map(openShared), samplesMax), stop);
}

function runSteps<Result>(steps: Generator<void, Result, void>, stop: Int32Array): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (Atomics.load(stop, 0) !== 0)
      throw new SteleError('CANCELLED', 'Nobody is waiting for the result any more.');
  }
}

/** Returns the faults of the copies. Throws IO if the file cannot be examined. */
export function scrub({ from, path, segment, to }: ScrubTask): ScrubFinding {
  const bytes = sharedBytes(segment);
  try {
    verifyRange(openShared(segment), from, to);
  } catch (thrown) {
    return { memory: toSteleError(thrown).message, disk: undefined };
  }
  return { memory: undefined, disk: compareFile(path, bytes, from, to) };
}

/**
 * Describes how the file differs from `bytes`, which are known to be good; undefined if it does
 * not.
 */
function compareFile(path: string, bytes: Buffer, from: number, to: number): string | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return 'the file is gone';
    throw toSteleError(thrown, 'IO');
  }
  try {
    const { size } = fstatSync(file);
    if (size !== bytes.length) return `the file has ${size} of ${bytes.length} bytes`;
    const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, to - from));
    for (let at = from; at < to;) {
      const wanted = Math.min(piece.length, to - at);
      const got = readSync(file, piece, 0, wanted, at);
      if (got === 0) return `the file ends at byte ${at}`;
      if (piece.compare(bytes, at, at + got, 0, got) !== 0) {
        return `the file differs between bytes ${at} and ${at + got - 1}`;
      }
      at += got;
    }
    return undefined;
  } catch (thrown) {
    // An unreadable medium counts as a bad copy.
    if (systemErrorCode(thrown) === 'EIO') return 'the file cannot be read';
    throw toSteleError(thrown, 'IO');
  } finally {
    closeSync(file);
  }
}
