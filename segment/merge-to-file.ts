// Merges a shard's base and deltas, in memory or on disk, into the file of one segment, which has the
// newest record of every key. Of all that, only the new index and a few windows are in memory.
//
//     1. walk over the inputs   -> index, counts, digest: checked against what is expected
//     2. header and index       -> file
//     3. walk over the inputs   -> records -> file, hashed and checksummed on the way
//     4. footer, and the header once more, with the hash
//
// The file is, byte for byte, what merge.ts makes of the same segments: a segment's name has the
// hash of its content, and replicas merge independently.

import assert from 'node:assert/strict';
import type { Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { SteleError } from '../base/errors.ts';
import { segmentId } from '../base/segment-name.ts';
import { requireSize } from './builder.ts';
import { addRecordHash, Digest } from './digest.ts';
import {
  contentHasher,
  contentHashOf,
  crcBlockCount,
  placeSections,
  sealFooter,
  sealHeader,
  writeHeader,
} from './header.ts';
import type { WrittenHeader } from './header.ts';
import { IndexWriter } from './index-writer.ts';
import { bucketCountFor, CRC_BLOCK_BYTES, HEADER_BYTES, LINE_BYTES, TAIL_BYTES } from './layout.ts';
import type { SegmentMeta } from './layout.ts';
import { newWalk, nextKey } from './walk.ts';
import type { WindowedSegment } from './record-window.ts';

/** Bytes that are written at a time; a multiple of CRC_BLOCK_BYTES. */
const WRITE_BYTES = 256 * 1024;
const STEP_RECORDS = 1024;

/** What the records of a merged segment add up to. */
export interface MergedTotals {
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** 16 bytes. */
  readonly digest: Uint8Array;
}

/** Writes `bytes` at `position` of a new file. Blocks. Throws DISK_FULL, IO. */
export type WriteAt = (bytes: Buffer, position: number) => void;

/**
 * Memory that index and checksums of a merged segment take while they are made, with an allowance for
 * overflow lines. `fileBytes`: of the segment at most.
 */
export function mergeBytesOf(records: number, fileBytes: number): number {
  const lines = Math.ceil(bucketCountFor(records) * 1.1);
  return lines * LINE_BYTES + Math.ceil(fileBytes / CRC_BLOCK_BYTES) * 4;
}

/**
 * Merges `segments`, oldest first, at least one, all of one shard of one keyspace, into the file that
 * `write` writes. Yields after every thousand records or so; the result is the generator's return
 * value. Throws CORRUPT if the totals differ from `expected`, before anything is written;
 * LOAD_REJECTED if the result is too large for a segment; and what the files throw.
 */
export function* mergeSteps(
  segments: readonly WindowedSegment[],
  expected: MergedTotals,
  write: WriteAt,
): Generator<void, SegmentMeta, void> {
  const [first] = segments;
  assert(first !== undefined, 'There is nothing to merge.');
  const { keyspaceUid, shard, shardCount } = first.meta;
  for (const { meta } of segments) {
    assert(meta.keyspaceUid === keyspaceUid && meta.shard === shard, 'Not of one shard.');
  }
  const newestFirst = [...segments].reverse();
  const recordsMax = segments.reduce((sum, { meta }) => sum + meta.records, 0);
  const buckets = bucketCountFor(Math.min(expected.records, recordsMax));
  const index = new IndexWriter(buckets);
  const totals = yield* surveySteps(newestFirst, index);
  requireTotals(totals, expected, shard);
  const { recordsBytes } = index;
  requireSize(shard, totals.records, recordsBytes);
  const lines = index.finish();
  const { overflowLines } = index;
  const crcBlockBytes = CRC_BLOCK_BYTES;
  const shape = { buckets, overflowLines, recordsBytes, crcBlockBytes };
  const sections = placeSections(buckets, overflowLines, recordsBytes, crcBlockBytes);
  requireSize(shard, totals.records, sections.fileBytes);
  const identity = { keyspaceUid, shard, shardCount };
  const output = new SegmentOutput({ ...identity, ...totals, ...shape, ...sections }, write);
  for (const part of lines) output.append(part, 0, part.length);
  yield* copySteps(newestFirst, output);
  const contentHash = output.finish();
  const id = segmentId(shard, totals.digest.toString('hex'), contentHash);
  return { id, ...identity, ...totals, fileBytes: sections.fileBytes };
}

type Totals = MergedTotals & { readonly digest: Buffer };

/** Adds the records to the index, and returns what they add up to. */
function* surveySteps(
  newestFirst: readonly WindowedSegment[],
  index: IndexWriter,
): Generator<void, Totals, void> {
  const walk = newWalk(newestFirst);
  const digest = new Digest();
  let [records, keyBytes, valueBytes] = [0, 0, 0];
  while (nextKey(walk)) {
    const cursor = walk.first;
    if (cursor === undefined) break;
    const { bounds, h1, h2, nextOffset, offset, window } = cursor;
    const { end, keyStart, valueStart } = bounds;
    index.add(h1, h2, nextOffset - offset);
    addRecordHash(digest.lanes, 1, window.view, keyStart, valueStart, end);
    keyBytes += valueStart - keyStart;
    valueBytes += end - valueStart;
    if (++records % STEP_RECORDS === 0) yield;
  }
  return { records, keyBytes, valueBytes, digest: digest.toBytes() };
}

function* copySteps(
  newestFirst: readonly WindowedSegment[],
  output: SegmentOutput,
): Generator<void, void, void> {
  const walk = newWalk(newestFirst);
  for (let records = 1; nextKey(walk); records++) {
    const cursor = walk.first;
    if (cursor === undefined) break;
    const { bounds, offset, window } = cursor;
    output.append(window.bytes, offset - window.base, bounds.end);
    if (records % STEP_RECORDS === 0) yield;
  }
}

function requireTotals(totals: Totals, expected: MergedTotals, shard: number): void {
  const isExpected =
    totals.records === expected.records &&
    totals.keyBytes === expected.keyBytes &&
    totals.valueBytes === expected.valueBytes &&
    totals.digest.equals(expected.digest);
  if (!isExpected) throw unexpectedMerge(shard, totals);
}

/** The error for a merge whose result is not what the totals of its inputs say. */
export function unexpectedMerge(shard: number, totals: MergedTotals): SteleError {
  const digest = Buffer.from(totals.digest).toString('hex');
  return new SteleError(
    'CORRUPT',
    `Shard ${shard} merged to ${totals.records} records with digest ${digest}, not to what the master expects; its segments stay as they are.`,
  );
}

/** Writes a segment's bytes one after the other, and what is computed from them. */
class SegmentOutput {
  readonly #header: WrittenHeader;
  readonly #write: WriteAt;
  readonly #buffer = Buffer.allocUnsafeSlow(WRITE_BYTES);
  #filled = 0;
  /** Offset in the file of the first byte of the buffer. */
  #base = 0;
  readonly #hasher: Hash;
  readonly #footer: Buffer;
  /** The first block, whose checksum depends on the hash. */
  #start: Buffer | undefined;

  constructor(header: WrittenHeader, write: WriteAt) {
    this.#header = header;
    this.#write = write;
    this.#footer = Buffer.alloc(crcBlockCount(header) * 4 + TAIL_BYTES);
    this.#buffer.fill(0, 0, HEADER_BYTES);
    writeHeader(this.#buffer, header);
    this.#hasher = contentHasher(this.#buffer);
    this.#filled = HEADER_BYTES;
  }

  append(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end;) {
      const count = Math.min(end - at, WRITE_BYTES - this.#filled);
      bytes.copy(this.#buffer, this.#filled, at, at + count);
      at += count;
      this.#filled += count;
      if (this.#filled === WRITE_BYTES) this.#flush();
    }
  }

  /** Returns the hash of the content. */
  finish(): string {
    const { crcBlockBytes, fileBytes, footerOffset, recordsBytes, recordsOffset } = this.#header;
    assert.equal(this.#base + this.#filled, recordsOffset + recordsBytes);
    this.append(Buffer.alloc(4), 0, footerOffset - this.#base - this.#filled);
    this.#flush();
    const contentHash = contentHashOf(this.#hasher);
    const start = this.#start as Buffer;
    sealHeader(start, contentHash);
    this.#write(start.subarray(0, HEADER_BYTES), 0);
    this.#footer.writeUInt32LE(crc32(start));
    sealFooter(this.#footer, Math.ceil(footerOffset / crcBlockBytes), fileBytes);
    this.#write(this.#footer, footerOffset);
    return contentHash;
  }

  #flush(): void {
    const bytes = this.#buffer.subarray(0, this.#filled);
    if (bytes.length === 0) return;
    const { crcBlockBytes } = this.#header;
    this.#start ??= Buffer.from(bytes.subarray(0, crcBlockBytes));
    this.#hasher.update(this.#base === 0 ? bytes.subarray(HEADER_BYTES) : bytes);
    for (let at = 0; at < bytes.length; at += crcBlockBytes) {
      const crc = crc32(bytes.subarray(at, at + crcBlockBytes));
      this.#footer.writeUInt32LE(crc, ((this.#base + at) / crcBlockBytes) * 4);
    }
    this.#write(bytes, this.#base);
    this.#base += bytes.length;
    this.#filled = 0;
  }
}
