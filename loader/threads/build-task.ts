// Stage 2 for one shard: gather its sections from all runs, resolve duplicates, build the segment.
// Runs in a worker thread, or in the main one for a small input; synchronous.
//
// The sections are in the order of the chunks, so that `first` and `last` refer to the input's
// order, whatever order the chunks were parsed in.

import { closeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../base/errors.ts';
import { freeMemory } from '../../base/process/free-memory.ts';
import { CooperativeYield } from '../../base/process/low-priority.ts';
import { SegmentBuilder } from '../../segment/builder.ts';
import { Digest } from '../../segment/digest.ts';
import type { Conflict } from '../../segment/record-table.ts';
import { decodeRecord, newRecordBounds } from '../../segment/record.ts';
import { newGrowableBuffer, reserve } from '../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../bytes/growable-buffer.ts';
import { readFully } from '../bytes/file-window.ts';
import { openRun, sectionOffset } from '../runs/run-file.ts';
import type { RunHeader } from '../runs/run-file.ts';
import { sumRecords } from '../runs/run-totals.ts';

/** Serialisable. */
export interface BuildTask {
  readonly shard: number;
  readonly shardCount: number;
  readonly keyspaceUid: string;
  readonly onConflict: 'error' | 'first' | 'last';
  readonly runFolder: string;
  /** 16 bytes, hex; '': the runs may have any. */
  readonly binding: string;
  readonly runCount: number;
  /** Whether `dropped` is wanted. */
  readonly countsDropped?: boolean;
  /** Size of the shard's records, if known. */
  readonly sectionBytes?: number;
  /**
   * Whether the memory of the build is released after it instead of being kept for the next one.
   */
  readonly releasesMemory?: boolean;
  /** See BuildInput. */
  readonly memory?: SharedArrayBuffer;
  /**
   * Whether the thread works in short time slices, because datanodes on this machine serve reads.
   */
  readonly yieldsToReaders?: boolean;
}

/**
 * A segment in a form that can be sent between threads: `bytes` is over a SharedArrayBuffer and is
 * not copied.
 */
export interface BuiltSegmentBytes {
  readonly bytes: Uint8Array;
  readonly id: string;
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly digest: Uint8Array;
}

/** One key with two values. */
export interface ConflictSample {
  readonly key: Uint8Array;
  readonly firstValue: Uint8Array;
  readonly firstChunk: number;
  readonly secondValue: Uint8Array;
  readonly secondChunk: number;
}

export interface BuildOutcome {
  readonly shard: number;
  /** Number of input records. */
  readonly rowCount: number;
  /** Undefined for a shard without records, or with conflicts. */
  readonly segment: BuiltSegmentBytes | undefined;
  readonly duplicates: number;
  /** Of `duplicates`, those with another value, resolved by `onConflict`. */
  readonly overruled: number;
  /** Rows with another value than the first of their key, if that is an error. */
  readonly conflictCount: number;
  /** The earliest of them by chunk. */
  readonly conflicts: readonly ConflictSample[];
  /** Of the `duplicates`, if that was asked for. */
  readonly dropped?: DroppedTotals;
  /** A run whose section is damaged: its chunk must be parsed again. */
  readonly damagedRun: number | undefined;
}

/** What was left out of a segment. */
interface DroppedTotals {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly digest: Uint8Array;
}

interface OpenRun {
  readonly file: number;
  readonly header: RunHeader;
  /** Offset of each section. */
  readonly offsets: Float64Array;
}

/** Maximum number of runs that a thread keeps open; others are opened for each shard. */
const OPEN_RUNS_MAX = 256;
const SAMPLE_BYTES_MAX = 200;
/** Per shard; more than are shown in total. */
export const CONFLICT_SAMPLES_MAX = 3;

/** Scratch of one thread, kept from task to task. */
export interface BuildScratch {
  readonly builder: SegmentBuilder;
  sections: GrowableBuffer;
  readonly runs: Map<number, OpenRun>;
  runsOf: string;
  readonly yielding: CooperativeYield;
}

export function newBuildScratch(): BuildScratch {
  const [builder, yielding] = [new SegmentBuilder(), new CooperativeYield()];
  return { builder, sections: newGrowableBuffer(), runs: new Map(), runsOf: '', yielding };
}

/** Closes open runs. Also required before a damaged run is written again. */
export function closeRuns(scratch: BuildScratch): void {
  for (const run of scratch.runs.values()) closeSync(run.file);
  scratch.runs.clear();
}

/** Throws IO, LOAD_REJECTED (the shard does not fit one segment). */
export function runBuildTask(task: BuildTask, scratch: BuildScratch): BuildOutcome {
  if (scratch.runsOf !== task.runFolder) closeRuns(scratch);
  scratch.runsOf = task.runFolder;
  const yieldIfDue =
    task.yieldsToReaders === true ? () => scratch.yielding.yieldIfDue() : undefined;
  const gathered = gatherSections(task, scratch, yieldIfDue);
  const { chunks, damagedRun, parts, rowCount } = gathered;
  if (damagedRun !== undefined || rowCount === 0) {
    if (damagedRun !== undefined) closeRuns(scratch);
    return { ...NOTHING_BUILT, shard: task.shard, rowCount, damagedRun };
  }
  const { keyspaceUid, memory, onConflict, shard, shardCount } = task;
  const identity = { keyspaceUid, shard, shardCount };
  const built = scratch.builder.build({
    ...identity,
    parts,
    onConflict,
    memory,
    throttle: yieldIfDue,
  });
  const { conflictCount, duplicates, overruled } = built;
  const segment = built.segment && { bytes: built.segment.bytes, ...built.segment.info };
  const conflicts = earliest(built.conflicts).map((one) => sampleOf(parts, chunks, one));
  const counts = { rowCount, duplicates, overruled, conflictCount };
  const dropped =
    task.countsDropped === true && segment !== undefined
      ? { dropped: droppedOf(parts, segment, duplicates) }
      : {};
  if (task.releasesMemory === true) releaseScratch(scratch);
  return { shard, segment, conflicts, damagedRun, ...counts, ...dropped };
}

/** The rows that were read minus the records that were kept. */
function droppedOf(
  parts: readonly Uint8Array[],
  kept: BuiltSegmentBytes,
  duplicates: number,
): DroppedTotals {
  const digest = new Digest();
  if (duplicates === 0) return { keyBytes: 0, valueBytes: 0, digest: digest.toBytes() };
  let [keyBytes, valueBytes] = [0, 0];
  for (const part of parts) {
    const sums = sumRecords(part, digest.lanes);
    keyBytes += sums.keyBytes;
    valueBytes += sums.valueBytes;
  }
  digest.subtract(Digest.fromBytes(kept.digest));
  return {
    keyBytes: keyBytes - kept.keyBytes,
    valueBytes: valueBytes - kept.valueBytes,
    digest: digest.toBytes(),
  };
}

const NOTHING_BUILT = {
  segment: undefined,
  duplicates: 0,
  overruled: 0,
  conflictCount: 0,
  conflicts: [],
} as const;

function releaseScratch(scratch: BuildScratch): void {
  freeMemory([scratch.sections.bytes]);
  scratch.sections = newGrowableBuffer();
  scratch.builder.release();
}

interface Gathered {
  readonly parts: Uint8Array[];
  /** Per part, the chunk it comes from. */
  readonly chunks: number[];
  readonly rowCount: number;
  readonly damagedRun: number | undefined;
}

function gatherSections(
  task: BuildTask,
  scratch: BuildScratch,
  yieldIfDue: (() => void) | undefined,
): Gathered {
  const { sections } = scratch;
  const chunks: number[] = [];
  const ends: number[] = [];
  let rowCount = 0;
  sections.length = 0;
  reserve(sections, task.sectionBytes ?? 0);
  for (let index = 0; index < task.runCount; index++) {
    const read = readSection(task, scratch, index);
    yieldIfDue?.();
    if (read < 0) return { parts: [], chunks, rowCount: 0, damagedRun: index };
    if (read === 0) continue;
    rowCount += read;
    chunks.push(index);
    ends.push(sections.length);
  }
  // Not earlier: the buffer may have moved while it grew.
  const parts = ends.map((end, part) => sections.bytes.subarray(ends[part - 1] ?? 0, end));
  return { parts, chunks, rowCount, damagedRun: undefined };
}

/**
 * Appends one run's section to the buffer; returns its number of rows, or -1 if the run is damaged.
 */
function readSection(task: BuildTask, scratch: BuildScratch, index: number): number {
  const { sections } = scratch;
  let run: OpenRun;
  try {
    run = openRunOnce(task, scratch, index);
  } catch (thrown) {
    if (thrown instanceof SteleError && thrown.code === 'CORRUPT') return -1;
    throw thrown;
  }
  try {
    const byteCount = run.header.sectionBytes[task.shard] as number;
    if (byteCount === 0) return 0;
    reserve(sections, byteCount);
    const into = sections.bytes.subarray(sections.length, sections.length + byteCount);
    const got = readFully(run.file, into, byteCount, run.offsets[task.shard] as number);
    if (got !== byteCount || crc32(into) !== run.header.sectionCrc[task.shard]) return -1;
    sections.length += byteCount;
    return run.header.sectionRows[task.shard] as number;
  } finally {
    if (!scratch.runs.has(index)) closeSync(run.file);
  }
}

function openRunOnce(task: BuildTask, scratch: BuildScratch, index: number): OpenRun {
  const known = scratch.runs.get(index);
  if (known !== undefined) return known;
  const binding = Buffer.from(task.binding, 'hex');
  const { file, header } = openRun(task.runFolder, binding, index, task.shardCount);
  const offsets = new Float64Array(task.shardCount);
  let offset = sectionOffset(header, 0);
  for (let shard = 0; shard < task.shardCount; shard++) {
    offsets[shard] = offset;
    offset += header.sectionBytes[shard] as number;
  }
  const run = { file, header, offsets };
  if (scratch.runs.size < OPEN_RUNS_MAX) scratch.runs.set(index, run);
  return run;
}

/** The reported conflicts are in the order of hashes, which is meaningless to people. */
function earliest(conflicts: readonly Conflict[]): Conflict[] {
  const inOrder = conflicts.toSorted(
    (a, b) => a.second.part - b.second.part || a.second.offset - b.second.offset,
  );
  return inOrder.slice(0, CONFLICT_SAMPLES_MAX);
}

function sampleOf(
  parts: readonly Uint8Array[],
  chunks: readonly number[],
  { first, second }: Conflict,
): ConflictSample {
  const one = cut(parts[first.part] as Uint8Array, first.offset);
  const other = cut(parts[second.part] as Uint8Array, second.offset);
  return {
    key: one.key,
    firstValue: one.value,
    firstChunk: chunks[first.part] as number,
    secondValue: other.value,
    secondChunk: chunks[second.part] as number,
  };
}

/** Copies of the record's whole key, and of the beginning of its value. */
function cut(part: Uint8Array, offset: number): { key: Uint8Array; value: Uint8Array } {
  const bounds = newRecordBounds();
  decodeRecord(part, offset, part.length, bounds);
  const valueEnd = Math.min(bounds.end, bounds.valueStart + SAMPLE_BYTES_MAX);
  return {
    key: Uint8Array.from(part.subarray(bounds.keyStart, bounds.valueStart)),
    value: Uint8Array.from(part.subarray(bounds.valueStart, valueEnd)),
  };
}
