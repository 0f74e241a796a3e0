// Row table -> run: the second pass over the rows. Sizes per shard are known from the first, so each
// record is copied once, straight to its place.
//
// Hot loop: plain functions over numbers and bytes; `place` holds the next free offset per shard.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { copyWords, writeVarint } from '../segment/record.ts';
import type { Arena } from './arena.ts';
import { reserve } from './arena.ts';
import { encodeRejects } from './reject-table.ts';
import type { RowTable } from './row-table.ts';
import { encodeRunHeader } from './run-file.ts';
import type { RunHeader } from './run-file.ts';

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
  const sectionBytes = Uint32Array.from(rows.shardBytes);
  const starts = sectionStarts(rows.shardBytes);
  const total = starts[rows.shardCount] as number;
  output.length = 0;
  reserve(output, total);
  const bytes = output.bytes.subarray(0, total);
  scatter(rows, bytes, Float64Array.from(starts));
  const sectionCrc = new Uint32Array(rows.shardCount);
  for (let shard = 0; shard < rows.shardCount; shard++) {
    sectionCrc[shard] = crc32(bytes.subarray(starts[shard], starts[shard + 1]));
  }
  const rejects = encodeRejects(rows.rejects);
  const header: RunHeader = {
    binding,
    chunkIndex,
    chunkCrc,
    rejectedCount: rows.rejects.count,
    rowCount: rows.count,
    lineCount: rows.lineCount,
    spanningCount: rows.spanningCount,
    rejectsBytes: rejects.length,
    rejectsCrc: crc32(rejects),
    sectionBytes,
    sectionRows: rows.shardRows.slice(),
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
  const from = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const to = new DataView(out.buffer, out.byteOffset, out.byteLength);
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
