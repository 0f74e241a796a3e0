// Row table -> run: the second pass over the rows. Sizes per shard are known from the first, so
// each record is copied once, directly to its place.
//
// Hot loop: plain functions over numbers and bytes; `place` holds the next free offset per shard.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { copyWords, writeVarint } from '../../segment/record.ts';
import type { MemoryBudget } from '../bytes/memory-budget.ts';
import { newGrowableBuffer, reserve } from '../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../bytes/growable-buffer.ts';
import { addRejects, clearRejects, encodeRejects, newRejectTable } from '../parse/reject-table.ts';
import type { RejectTable } from '../parse/reject-table.ts';
import type { RowTable } from '../parse/row-table.ts';
import { encodeRunHeader } from './run-file.ts';
import type { RunHeader } from './run-file.ts';

/** The encoded rows of several pieces of input, kept until all are parsed. Reused scratch. */
export interface GatheredRows {
  readonly bytes: GrowableBuffer;
  /** For each piece and each shard that it has rows of: the shard, and the size of its section. */
  readonly sections: number[];
  readonly shardBytes: Float64Array;
  readonly shardRows: Uint32Array;
  readonly rejects: RejectTable;
  rowCount: number;
  lineCount: number;
  spanningCount: number;
  /** Input size of the pieces so far. */
  inputBytes: number;
}

export function newGatheredRows(
  shardCount: number,
  budget: MemoryBudget | undefined,
): GatheredRows {
  return {
    bytes: newGrowableBuffer(budget),
    sections: [],
    shardBytes: new Float64Array(shardCount),
    shardRows: new Uint32Array(shardCount),
    rejects: newRejectTable(budget),
    rowCount: 0,
    lineCount: 0,
    spanningCount: 0,
    inputBytes: 0,
  };
}

/** Empties it and keeps its memory. */
export function clearGathered(gathered: GatheredRows): void {
  gathered.bytes.length = 0;
  gathered.sections.length = 0;
  gathered.shardBytes.fill(0);
  gathered.shardRows.fill(0);
  clearRejects(gathered.rejects);
  Object.assign(gathered, { rowCount: 0, lineCount: 0, spanningCount: 0, inputBytes: 0 });
}

/** Adds the rows of the next piece, whose size is `byteCount`. */
export function gatherRows(gathered: GatheredRows, rows: RowTable, byteCount: number): void {
  const { bytes, rejects, sections, shardBytes, shardRows } = gathered;
  const starts = sectionStarts(rows.shardBytes);
  const total = makeRoom(bytes, starts);
  scatter(rows, bytes.bytes.subarray(bytes.length, bytes.length + total), starts);
  bytes.length += total;
  for (let shard = 0; shard < rows.shardCount; shard++) {
    const sectionBytes = rows.shardBytes[shard] as number;
    if (sectionBytes === 0) continue;
    sections.push(shard, sectionBytes);
    shardBytes[shard] = (shardBytes[shard] as number) + sectionBytes;
    shardRows[shard] = (shardRows[shard] as number) + (rows.shardRows[shard] as number);
  }
  addRejects(rejects, rows.rejects, gathered.inputBytes);
  gathered.rowCount += rows.count;
  gathered.lineCount += rows.lineCount;
  gathered.spanningCount += rows.spanningCount;
  gathered.inputBytes += byteCount;
}

export interface BuiltRun {
  readonly header: RunHeader;
  /** The file's bytes. The second part belongs to `output` and is overwritten by the next run. */
  readonly parts: readonly Uint8Array[];
  /** The last part, in memory of its own. */
  readonly rejects: Uint8Array;
}

/** Groups the rows of one chunk by shard. `output` is reused scratch. */
export function buildRun(
  rows: RowTable,
  output: GrowableBuffer,
  binding: Buffer,
  chunkIndex: number,
  chunkCrc: number,
): BuiltRun {
  const place = sectionStarts(rows.shardBytes);
  output.length = 0;
  output.length = makeRoom(output, place);
  scatter(rows, output.bytes.subarray(0, output.length), place);
  return runOf({ ...rows, rowCount: rows.count }, output, { binding, chunkIndex, chunkCrc });
}

/** Groups the rows of several pieces by shard and concatenates each shard's sections. */
export function buildGatheredRun(
  gathered: GatheredRows,
  output: GrowableBuffer,
  binding: Buffer,
  chunkIndex: number,
  chunkCrc: number,
): BuiltRun {
  const place = sectionStarts(gathered.shardBytes);
  output.length = 0;
  output.length = makeRoom(output, place);
  const { bytes, sections } = gathered;
  const source = viewOf(bytes.bytes);
  const target = viewOf(output.bytes);
  for (let at = 0, from = 0; at < sections.length; at += 2) {
    const shard = sections[at] as number;
    const end = from + (sections[at + 1] as number);
    const to = place[shard] as number;
    const byteCount = end - from;
    if (byteCount <= COPY_WORDS_BYTES_MAX) copyWords(target, to, source, from, byteCount);
    else output.bytes.set(bytes.bytes.subarray(from, end), to);
    place[shard] = to + byteCount;
    from = end;
  }
  return runOf(gathered, output, { binding, chunkIndex, chunkCrc });
}

/** Makes room in `buffer` for all sections; returns their size. Throws as `reserve`. */
function makeRoom(buffer: GrowableBuffer, starts: Float64Array): number {
  const total = starts[starts.length - 1] as number;
  reserve(buffer, total);
  // An array of doubles yields a double: as the length of the buffer it would turn all lengths into
  // doubles, and code compiled for integers would be recompiled.
  return total | 0;
}

interface RunContent {
  readonly shardBytes: Float64Array;
  readonly shardRows: Uint32Array;
  readonly rejects: RejectTable;
  readonly rowCount: number;
  readonly lineCount: number;
  readonly spanningCount: number;
}

function runOf(
  { lineCount, rejects: table, rowCount, shardBytes, shardRows, spanningCount }: RunContent,
  output: GrowableBuffer,
  identity: Pick<RunHeader, 'binding' | 'chunkIndex' | 'chunkCrc'>,
): BuiltRun {
  const bytes = output.bytes.subarray(0, output.length);
  const starts = sectionStarts(shardBytes);
  const sectionCrc = new Uint32Array(shardBytes.length);
  for (let shard = 0; shard < shardBytes.length; shard++) {
    sectionCrc[shard] = crc32(bytes.subarray(starts[shard], starts[shard + 1]));
  }
  const rejects = encodeRejects(table);
  const header: RunHeader = {
    ...identity,
    rejectedCount: table.count,
    rowCount,
    lineCount,
    spanningCount,
    rejectsBytes: rejects.length,
    rejectsCrc: crc32(rejects),
    sectionBytes: Uint32Array.from(shardBytes),
    sectionRows: shardRows.slice(),
    sectionCrc,
  };
  return { header, parts: [encodeRunHeader(header), bytes, rejects], rejects };
}

function sectionStarts(shardBytes: Float64Array): Float64Array {
  const starts = new Float64Array(shardBytes.length + 1);
  for (let shard = 0; shard < shardBytes.length; shard++) {
    starts[shard + 1] = (starts[shard] as number) + (shardBytes[shard] as number);
  }
  return starts;
}

/** Up to this size, copying words in JavaScript is faster than calling the engine's memmove. */
const COPY_WORDS_BYTES_MAX = 256;

function scatter(rows: RowTable, out: Uint8Array, place: Float64Array): void {
  assert.equal(copyRows(rows, out, place), out.length);
}

/**
 * A function for the loop alone: see `keepOnePerKey` of segment/record-table.ts. Returns the number
 * of bytes written.
 */
function copyRows(rows: RowTable, out: Uint8Array, place: Float64Array): number {
  const { count, keyEnd, keyStart, shard: shards, source, valueEnd, valueStart } = rows;
  const from = viewOf(source);
  const to = viewOf(out);
  let written = 0;
  for (let row = 0; row < count; row++) {
    const shard = shards[row] as number;
    const begin = place[shard] as number;
    const keyAt = keyStart[row] as number;
    const keyBytes = (keyEnd[row] as number) - keyAt;
    const valueAt = valueStart[row] as number;
    const valueBytes = (valueEnd[row] as number) - valueAt;
    let at = writeVarint(out, begin, keyBytes);
    at = writeVarint(out, at, valueBytes);
    if (keyBytes <= COPY_WORDS_BYTES_MAX) copyWords(to, at, from, keyAt, keyBytes);
    else out.set(source.subarray(keyAt, keyAt + keyBytes), at);
    at += keyBytes;
    if (valueBytes <= COPY_WORDS_BYTES_MAX) copyWords(to, at, from, valueAt, valueBytes);
    else out.set(source.subarray(valueAt, valueAt + valueBytes), at);
    at += valueBytes;
    place[shard] = at;
    written += at - begin;
  }
  return written;
}

function viewOf({ buffer, byteLength, byteOffset }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
