// Row table -> run: the second pass over the rows. Sizes per shard are known from the first, so each
// record is copied once, straight to its place.
//
// Hot loop: plain functions over numbers and bytes; `place` holds the next free offset per shard.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { copyWords, writeVarint } from '../../segment/record.ts';
import type { Allowance } from '../bytes/allowance.ts';
import { newArena, reserve } from '../bytes/arena.ts';
import type { Arena } from '../bytes/arena.ts';
import { addRejects, clearRejects, encodeRejects, newRejectTable } from '../parse/reject-table.ts';
import type { RejectTable } from '../parse/reject-table.ts';
import type { RowTable } from '../parse/row-table.ts';
import { encodeRunHeader } from './run-file.ts';
import type { RunHeader } from './run-file.ts';

/** The rows of several pieces of input, encoded, in memory until all are parsed. Scratch, used again. */
export interface GatheredRows {
  readonly bytes: Arena;
  /** For each piece and each shard that it has rows of: the shard, and the bytes of its section. */
  readonly sections: number[];
  readonly shardBytes: Float64Array;
  readonly shardRows: Uint32Array;
  readonly rejects: RejectTable;
  rowCount: number;
  lineCount: number;
  spanningCount: number;
  /** Of the pieces that are in, in the input. */
  inputBytes: number;
}

export function newGatheredRows(
  shardCount: number,
  allowance: Allowance | undefined,
): GatheredRows {
  return {
    bytes: newArena(allowance),
    sections: [],
    shardBytes: new Float64Array(shardCount),
    shardRows: new Uint32Array(shardCount),
    rejects: newRejectTable(allowance),
    rowCount: 0,
    lineCount: 0,
    spanningCount: 0,
    inputBytes: 0,
  };
}

/** Empties it, keeping its memory. */
export function clearGathered(gathered: GatheredRows): void {
  gathered.bytes.length = 0;
  gathered.sections.length = 0;
  gathered.shardBytes.fill(0);
  gathered.shardRows.fill(0);
  clearRejects(gathered.rejects);
  Object.assign(gathered, { rowCount: 0, lineCount: 0, spanningCount: 0, inputBytes: 0 });
}

/** Adds the rows of the next piece, which has `byteCount` bytes. */
export function gatherRows(gathered: GatheredRows, rows: RowTable, byteCount: number): void {
  const { bytes, rejects, sections, shardBytes, shardRows } = gathered;
  const starts = sectionStarts(rows.shardBytes);
  const total = starts[rows.shardCount] as number;
  reserve(bytes, total);
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
  /** The file's bytes; the second one is `output`'s and is overwritten by the next run. */
  readonly parts: readonly Uint8Array[];
  /** The last of them, of its own memory. */
  readonly rejects: Uint8Array;
}

/** Groups the rows of one chunk by shard. `output` is scratch that is used again. */
export function buildRun(
  rows: RowTable,
  output: Arena,
  binding: Buffer,
  chunkIndex: number,
  chunkCrc: number,
): BuiltRun {
  const place = makeRoom(rows.shardBytes, output);
  scatter(rows, output.bytes.subarray(0, output.length), place);
  return runOf({ ...rows, rowCount: rows.count }, output, { binding, chunkIndex, chunkCrc });
}

/** The same for the rows of several pieces: each shard's sections are put together. */
export function buildGatheredRun(
  gathered: GatheredRows,
  output: Arena,
  binding: Buffer,
  chunkIndex: number,
  chunkCrc: number,
): BuiltRun {
  const place = makeRoom(gathered.shardBytes, output);
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

/** Makes `output` as long as all sections; returns where each begins. */
function makeRoom(shardBytes: Float64Array, output: Arena): Float64Array {
  const starts = sectionStarts(shardBytes);
  const total = starts[shardBytes.length] as number;
  output.length = 0;
  reserve(output, total);
  output.length = total;
  return starts;
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
  output: Arena,
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

/** Below this, words copied in JavaScript beat the call into the engine's memmove. */
const COPY_WORDS_BYTES_MAX = 256;

function scatter(rows: RowTable, out: Uint8Array, place: Float64Array): void {
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
  assert.equal(written, out.length);
}

function viewOf({ buffer, byteLength, byteOffset }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
