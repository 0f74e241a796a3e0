// Work on many records that takes longer than a reader should wait. It runs in worker threads, on the
// memory that segments are served from, or on their files, of which a window at a time is read
// (segment/record-window.ts). Tasks are data that can be posted to a thread; `files` is for tests and
// the simulation.
//
// `stop` is four shared bytes: the caller sets the first to end the task early (CANCELLED).

import { systemFiles } from '../../base/disk/files.ts';
import type { BlockingFile, Files } from '../../base/disk/files.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { runSteps } from '../../base/run-steps.ts';
import { diffSteps } from '../../segment/diff.ts';
import type { ShardDiff } from '../../segment/diff.ts';
import type { SegmentMeta } from '../../segment/layout.ts';
import { mergeSegments } from '../../segment/merge.ts';
import { mergeSteps } from '../../segment/merge-to-file.ts';
import type { MergedTotals } from '../../segment/merge-to-file.ts';
import { overlaySteps } from '../../segment/overlay.ts';
import type { Overlay } from '../../segment/overlay.ts';
import { openSegment } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { readHeader } from '../../segment/header.ts';
import { windowed } from '../../segment/record-window.ts';
import type { WindowedSegment } from '../../segment/record-window.ts';
import { residentIn } from '../../segment/resident.ts';
import { verifyRange } from '../../segment/verify.ts';
import { fileSegment, verifyFileRange } from '../../segment/verify-file.ts';
import { isInMemory } from '../storage/holdings.ts';
import type { ReadableSegment } from '../storage/holdings.ts';

const READ_BYTES = 1024 * 1024;

/** A segment's bytes as they are posted: shared, not copied. */
export interface SharedSegment {
  readonly shared: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** The file of a segment whose index and checksums are in memory, which is shared. */
interface SharedFile {
  readonly path: string;
  readonly byteLength: number;
  readonly head: ArrayBufferLike;
  readonly crcs: Uint32Array;
}

export type SharedInput = SharedSegment | SharedFile;

type BlockingFiles = Pick<Files, 'openBlocking'>;

interface Stoppable {
  readonly stop: Int32Array;
}

/** Compares a delta with the older segments, newest first. */
export interface MeasureTask extends Stoppable {
  readonly delta: SharedInput;
  readonly older: readonly SharedInput[];
}

/** The segments are oldest first. */
export interface MergeTask {
  readonly segments: readonly SharedSegment[];
}

/** Merges into a new file at `path`. The segments are oldest first. */
export interface FileMergeTask extends Stoppable {
  readonly segments: readonly SharedInput[];
  readonly expected: MergedTotals;
  readonly path: string;
}

export interface MergedSegment {
  readonly segment: SharedSegment;
  readonly meta: SegmentMeta;
}

/** The segments of both sides are newest first. */
export interface DiffTask extends Stoppable {
  readonly from: readonly SharedInput[];
  readonly to: readonly SharedInput[];
  readonly samplesMax: number;
}

/** Checks the bytes `[from, to)` of a segment, in memory and in its file. */
export interface ScrubTask {
  readonly segment: SharedSegment;
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** Checks the bytes `[from, to)` of a segment that is only in its file. */
export interface FileScrubTask {
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

/** A segment as it is posted to a thread. */
export function shareInput(segment: ReadableSegment): SharedInput {
  if (isInMemory(segment)) return shareSegment(segment);
  const { crcs, file, header, lines } = segment;
  return { path: file.path, byteLength: header.fileBytes, head: lines.buffer, crcs };
}

/** Calls `work` with the segments, each read through a window. */
function withInputs<Result>(
  inputs: readonly SharedInput[],
  files: BlockingFiles,
  work: (segments: readonly WindowedSegment[]) => Result,
): Result {
  const open: BlockingFile[] = [];
  try {
    const segments = inputs.map((input) => {
      if ('shared' in input) return windowed(openShared(input));
      const file = files.openBlocking(input.path, 'r');
      open.push(file);
      const head = Buffer.from(input.head);
      const resident = residentIn(head, input.crcs, readHeader(head, input.byteLength));
      return fileSegment(resident, (into, position) => file.read(into, position));
    });
    return work(segments);
  } catch (thrown) {
    throw toSteleError(thrown, 'IO');
  } finally {
    for (const file of open) file.close();
  }
}

/** Throws CANCELLED, CORRUPT, IO. */
export function measure({ delta, older, stop }: MeasureTask, files = systemFiles): Overlay {
  return withInputs([delta, ...older], files, ([first, ...others]) =>
    runUntil(stop, overlaySteps(first as WindowedSegment, others)),
  );
}

/** Throws LOAD_REJECTED if the result is too large. Cannot be interrupted. */
export function merge({ segments }: MergeTask): MergedSegment {
  const merged = mergeSegments(segments.map(openShared));
  return { segment: shareSegment(merged), meta: merged.info };
}

/**
 * Throws CORRUPT if the segments do not add up to what is expected, LOAD_REJECTED if the result is too
 * large, CANCELLED, DISK_FULL, IO; the file may exist then.
 */
export function mergeToFile(
  { expected, path, segments, stop }: FileMergeTask,
  files: BlockingFiles = systemFiles,
): SegmentMeta {
  return withInputs(segments, files, (opened) => {
    const file = files.openBlocking(path, 'wx');
    try {
      const write = (bytes: Buffer, position: number): void => file.write(bytes, position);
      return runUntil(stop, mergeSteps(opened, expected, write));
    } finally {
      file.close();
    }
  });
}

/** Throws CANCELLED, CORRUPT, IO. */
export function diff({ from, samplesMax, stop, to }: DiffTask, files = systemFiles): ShardDiff {
  return withInputs([...from, ...to], files, (opened) => {
    const [left, right] = [opened.slice(0, from.length), opened.slice(from.length)];
    return runUntil(stop, diffSteps(left, right, samplesMax));
  });
}

function runUntil<Result>(stop: Int32Array, steps: Generator<void, Result, void>): Result {
  return runSteps(steps, () => {
    if (Atomics.load(stop, 0) === 0) return;
    throw new SteleError('CANCELLED', 'Nobody is waiting for the result any more.');
  });
}

/** Returns the faults of the copies. Throws IO if the file cannot be examined. */
export function scrub({ from, path, segment, to }: ScrubTask): ScrubFinding {
  const bytes = sharedBytes(segment);
  try {
    verifyRange(openShared(segment), from, to);
  } catch (thrown) {
    return { memory: toSteleError(thrown).message, disk: undefined };
  }
  const disk = faultOf(path, systemFiles, (file) => compareFile(file, bytes, from, to));
  return { memory: undefined, disk };
}

/** Returns what is wrong with the file, if anything. Throws IO if it cannot be examined. */
export function scrubFile(
  { from, path, to }: FileScrubTask,
  files: BlockingFiles = systemFiles,
): string | undefined {
  return faultOf(path, files, (file) => {
    verifyFileRange(file, from, to);
    return undefined;
  });
}

function faultOf(
  path: string,
  files: BlockingFiles,
  examine: (file: BlockingFile) => string | undefined,
): string | undefined {
  let file: BlockingFile | undefined;
  try {
    file = files.openBlocking(path, 'r');
    return examine(file);
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return 'the file is gone';
    const error = toSteleError(thrown, 'IO');
    if (error.code === 'IO') throw error;
    return error.message;
  } finally {
    file?.close();
  }
}

/**
 * Describes how the file differs from `bytes`, which are known to be good; undefined if it does
 * not.
 */
function compareFile(
  file: BlockingFile,
  bytes: Buffer,
  from: number,
  to: number,
): string | undefined {
  const { byteLength } = file;
  if (byteLength !== bytes.length) return `the file has ${byteLength} of ${bytes.length} bytes`;
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, to - from));
  for (let at = from; at < to; at += READ_BYTES) {
    const piece = buffer.subarray(0, Math.min(READ_BYTES, to - at));
    file.read(piece, at);
    if (piece.compare(bytes, at, at + piece.length) === 0) continue;
    return `the file differs between bytes ${at} and ${at + piece.length - 1}`;
  }
  return undefined;
}
