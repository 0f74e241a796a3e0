// Keeps a load within --memory-max: what each piece of work takes, and how many may run at once.
// Pure arithmetic on measured figures.
//
//     while unpacking   memory-max = process + windows of the decoders
//     while parsing     memory-max = process + threads x (thread + share) + extra
//     while building    memory-max = process + threads x thread + pieces in flight + spare + kept
//
//     share    what parsing one chunk takes, judged by the first rows; a thread keeps it as scratch
//     extra    for chunks that take more than their share: one long row, or rows that cost more than
//              the first ones. A task stops at its budget and is retried with more
//     piece    a shard: scratch while it is built (records, a table of them), the segment until sent
//
// What does not fit even alone is refused before anything is sent, with the memory that it would
// need.

import assert from 'node:assert/strict';
import { SteleError } from '../../base/errors.ts';
import { SEGMENT_BYTES_MAX } from '../../base/limits.ts';
import { formatBytes } from '../../base/units.ts';
import { WINDOW_BYTES_MAX } from '../input/zstd-frame.ts';
import { MEMORY_BYTES_MIN } from '../settings.ts';

const MiB = 1024 * 1024;
/** Fixed overhead of a segment: header, padding of sections, send buffers. */
const SEGMENT_EXTRA_BYTES = MiB / 4;
/** Node.js with all modules of a load, and the buffers of its connections. */
const PROCESS_BYTES = 112 * MiB;
/** An isolate with its young generation, and the runs that it has open. */
const THREAD_BYTES = 20 * MiB;
/**
 * Limits, as parts of the memory without the process: one thread's share, and all threads together.
 */
const SHARE_MAX = 0.25;
const THREADS_SHARE = 0.6;
const CHUNK_BYTES_FLOOR = 64 * 1024;
/** A long row takes itself, and itself in the run, whose buffer is somewhat larger. */
const LONG_ROW_FACTOR = 2.125;
/** An assembled value is also in a buffer that grows by half, and is copied when it does. */
const LONG_OBJECT_FACTOR = LONG_ROW_FACTOR + 2.5;
/**
 * Parts of the memory for building: spare segments that wait for reuse, and scratch that is kept.
 */
const SPARE_SHARE = 0.2;
const SCRATCH_KEPT_SHARE = 0.1;
/** More in flight would not be faster. */
const SEGMENTS_IN_FLIGHT_BYTES = 256 * MiB;
/** The builder's table with its spare capacity, and its part of the index. */
const TABLE_BYTES_PER_RECORD = 33;
const INDEX_FACTOR = 1.15;

// Any single decoder window fits.
assert(WINDOW_BYTES_MAX <= MEMORY_BYTES_MIN - PROCESS_BYTES);

/** Measured on the first rows of an input (chunk-plan.ts). */
export interface RowCost {
  /** Bytes of memory that parsing takes for each byte of a chunk. */
  readonly parseFactor: number;
  /** Encoded bytes for each byte of input. */
  readonly recordFactor: number;
  /** Encoded bytes of one record. */
  readonly recordBytes: number;
}

/** `chunkBytes`, or less if its share would be too large. Independent of the number of threads. */
export function chunkBytesWithin(chunkBytes: number, cost: RowCost, memoryMax: number): number {
  const shareMax = (memoryMax - PROCESS_BYTES) * SHARE_MAX - THREAD_BYTES;
  // Powers of two: with slightly more or less memory, an interrupted load is still cut in the same
  // places.
  const fitting = 2 ** Math.floor(Math.log2(shareMax / cost.parseFactor));
  return Math.min(chunkBytes, Math.max(CHUNK_BYTES_FLOOR, fitting));
}

/** Memory that parsing a chunk of `byteCount` takes, judged by the first rows. */
export function chunkCost(byteCount: number, cost: RowCost): number {
  return Math.ceil(byteCount * cost.parseFactor);
}

/**
 * The same for a chunk that one long row made longer than chunks are. `isPutTogether`: values are
 * assembled.
 */
export function longChunkCost(
  byteCount: number,
  { chunkBytes, shareBytes }: { readonly chunkBytes: number; readonly shareBytes: number },
  isPutTogether: boolean,
): number {
  const factor = isPutTogether ? LONG_OBJECT_FACTOR : LONG_ROW_FACTOR;
  return shareBytes + Math.ceil(Math.max(0, byteCount - chunkBytes) * factor);
}

/** The number of threads, at least one, that fit in memory with a share of `shareBytes` each. */
export function threadsWithin(memoryMax: number, wanted: number, shareBytes: number): number {
  const room = (memoryMax - PROCESS_BYTES) * THREADS_SHARE;
  return Math.max(1, Math.min(wanted, Math.floor(room / (THREAD_BYTES + shareBytes))));
}

/** Memory that all chunks together may take beyond their shares. */
export function extraBytes(memoryMax: number, threads: number, shareBytes: number): number {
  return Math.max(0, memoryMax - PROCESS_BYTES - threads * (THREAD_BYTES + shareBytes));
}

/**
 * MEMORY_LIMIT for `what`, which needs `missing` bytes more than there are; `other` names another
 * way out.
 */
export function exceedsMemory(
  what: string,
  missing: number,
  memoryMax: number,
  other: string,
): SteleError {
  // With more memory the threads' shares grow, too.
  const least = leastOf(memoryMax + missing * 1.125);
  return new SteleError(
    'MEMORY_LIMIT',
    `${what} takes more memory to parse than there is; allow --memory-max ${least} or more (it is ${formatBytes(memoryMax)})${other}.`,
  );
}

/** Memory for the windows of all decoders together. */
export function unpackBytes(memoryMax: number): number {
  return memoryMax - PROCESS_BYTES;
}

/** In whole MiB, in the form that a flag takes. */
function leastOf(byteCount: number): string {
  return `${Math.ceil(byteCount / MiB)}MiB`;
}

/** Why one shard is larger than others: a sentence without its full stop. */
export const SKEW_CAUSES =
  'keys with the same hash tag (the part of a key in {}) are in one shard, and a large value is in one';
/** With fewer rows per shard, shards are uneven by chance. */
const SKEW_ROWS_MIN = 50;
const SKEW_FACTOR = 4;

/**
 * The shard that holds several times the average, and its part of all bytes; undefined if none
 * does.
 */
export function skewedShard(
  shardBytes: Float64Array,
  shardRows: Float64Array,
): { readonly shard: number; readonly share: number } | undefined {
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  if (sum(shardRows) < SKEW_ROWS_MIN * shardRows.length) return undefined;
  const total = sum(shardBytes);
  const most = shardBytes.reduce((best, bytes) => Math.max(best, bytes), 0);
  if (most <= (SKEW_FACTOR * total) / shardBytes.length) return undefined;
  return { shard: shardBytes.indexOf(most), share: most / total };
}

/** Memory that building a shard takes. */
export interface ShardCost {
  readonly scratchBytes: number;
  /** Kept until every owner has it. */
  readonly segmentBytes: number;
}

/** The cost of a shard with so many encoded bytes and records. */
export function shardCost(recordBytes: number, records: number): ShardCost {
  return {
    scratchBytes: Math.ceil(recordBytes + records * TABLE_BYTES_PER_RECORD),
    // The index adds about a tenth; the estimate need not be exact.
    segmentBytes: Math.ceil(recordBytes * INDEX_FACTOR) + SEGMENT_EXTRA_BYTES,
  };
}

/** Limits of the shard stage, in bytes. */
export interface ShardLimits {
  readonly inFlightBytes: number;
  /** Spare segments that are kept for reuse. */
  readonly spareBytes: number;
  /** Scratch that each thread keeps from one shard to the next. */
  readonly scratchKeptBytes: number;
}

/** Divides the memory while shards are built; `largest` is the most expensive of them. */
export function shardLimits(memoryMax: number, threads: number, largest: ShardCost): ShardLimits {
  const available = buildBytes(memoryMax, threads);
  const part = (share: number): number => Math.floor(available * share);
  const useful = threads * largest.scratchBytes + SEGMENTS_IN_FLIGHT_BYTES;
  return {
    inFlightBytes: Math.min(part(1 - SPARE_SHARE - SCRATCH_KEPT_SHARE), useful),
    spareBytes: Math.min(part(SPARE_SHARE), SEGMENTS_IN_FLIGHT_BYTES),
    scratchKeptBytes: part(SCRATCH_KEPT_SHARE / threads),
  };
}

function buildBytes(memoryMax: number, threads: number): number {
  return Math.max(0, memoryMax - PROCESS_BYTES - threads * THREAD_BYTES);
}

/**
 * Throws LOAD_REJECTED for a shard that no segment can hold, MEMORY_LIMIT for one that `threads`
 * cannot build within `memoryMax`. `share` below 1 makes an estimate lenient, so that it refuses
 * nothing that fits. `isSkewed`: most other shards hold much less, so more shards would not help.
 */
export function refuseTooLarge(
  shard: number | undefined,
  { recordBytes, records }: { readonly recordBytes: number; readonly records: number },
  memoryMax: number,
  threads: number,
  share = 1,
  isSkewed = false,
): void {
  const name = shard === undefined ? 'A shard' : `Shard ${shard}`;
  const way = isSkewed
    ? `more shards would not help, for it has much more than the others: ${SKEW_CAUSES}`
    : 'use a cluster with more shards';
  if (recordBytes * share > SEGMENT_BYTES_MAX) {
    throw new SteleError(
      'LOAD_REJECTED',
      `${name} would hold about ${formatBytes(recordBytes)}, over the 2 GiB of a segment, counted before duplicates of a key are left out: remove those from the input; else ${way}.`,
    );
  }
  const { scratchBytes, segmentBytes } = shardCost(recordBytes, records);
  const needed = scratchBytes + segmentBytes;
  // A shard that is built alone may take the place of spare segments; its scratch is not kept.
  const ofAll = 1 - SCRATCH_KEPT_SHARE;
  if (needed * share <= buildBytes(memoryMax, threads) * ofAll) return;
  const least = leastOf(needed / ofAll + PROCESS_BYTES + threads * THREAD_BYTES);
  throw new SteleError(
    'MEMORY_LIMIT',
    `${name} would hold about ${formatBytes(recordBytes)}, and building it takes ${formatBytes(needed)}; allow --memory-max ${least} or more (it is ${formatBytes(memoryMax)}); or else ${way}.`,
  );
}
