// Reads a segment in place: a lookup touches one index line and one record, and allocates nothing.
//
// Thread safety: a segment never changes, so any number of threads may read it at once. Opening
// checks only the two ends of the file. Bytes from a disk or a network must pass verify.ts first;
// without that, "not found" proves nothing.
//
// Even so, every pointer is checked when it is followed: an index line must lead to a later line of
// the index, an offset to a place among the records, and a key must end among them. Memory that
// rots after it was verified causes CORRUPT or a wrong answer, but never an endless loop or a read
// outside of the records.
//
// Hot loops: plain functions over numbers and Buffers. A key is a range of any Uint8Array, so a key
// inside a received message needs no Buffer of its own.

import assert from 'node:assert/strict';
import type { SteleError } from '../base/errors.ts';
import { checkFooter, corruptAt, readHeader } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { bucketOf, hashKey, lastHash2, readInt32, tagOf } from './hash.ts';
import { COUNT_MASK, LINE_ENTRIES_MAX } from './index-line.ts';
import { HEADER_BYTES, LINE_BYTES } from './layout.ts';
import type { SegmentMeta } from './layout.ts';
import { segmentId } from '../base/segment-name.ts';
import { decodeRecord, newRecordBounds, readLongVarint, varintBytes } from './record.ts';
import type { RecordBounds } from './record.ts';

/** What is known of a segment without its records. Immutable. */
export interface SegmentIndex {
  readonly header: SegmentHeader;
  readonly meta: SegmentMeta;
  /** The index as 32-bit and as 16-bit words: 16 and 32 of them per line. */
  readonly lines: Int32Array;
  readonly lineOffsets: Uint16Array;
  readonly bucketCount: number;
  /** The hash seed of the keyspace, equal in all its segments. */
  readonly seed1: number;
  readonly seed2: number;
  readonly recordsStart: number;
  readonly recordsEnd: number;
}

/** An open segment: views over its bytes. Immutable. Needs no close. */
export interface Segment extends SegmentIndex {
  /** The whole file. */
  readonly bytes: Buffer;
  /** The same bytes, for reading four at a time. */
  readonly view: DataView;
}

/**
 * Opens the segment in `bytes`, over a SharedArrayBuffer or an ArrayBuffer, without a copy: the
 * bytes must not change afterwards, and must begin at a multiple of 4 in their buffer. Throws
 * UNKNOWN_FORMAT or CORRUPT.
 */
export function openSegment(bytes: Buffer): Segment {
  assert(bytes.byteOffset % 4 === 0, 'A segment begins at a multiple of 4 bytes.');
  const header = readHeader(bytes);
  checkFooter(bytes, header);
  const index = indexOf(bytes, header);
  // Written out, because properties of a spread are one more step away for each lookup.
  return {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    header,
    meta: index.meta,
    lines: index.lines,
    lineOffsets: index.lineOffsets,
    bucketCount: index.bucketCount,
    seed1: index.seed1,
    seed2: index.seed2,
    recordsStart: index.recordsStart,
    recordsEnd: index.recordsEnd,
  };
}

/** The index in `bytes`, which begin as the file does and have header and index, in place. */
export function indexOf(bytes: Buffer, header: SegmentHeader): SegmentIndex {
  const indexAt = bytes.byteOffset + HEADER_BYTES;
  const lineCount = header.buckets + header.overflowLines;
  return {
    header,
    meta: metaOf(header),
    lines: new Int32Array(bytes.buffer, indexAt, (lineCount * LINE_BYTES) / 4),
    lineOffsets: new Uint16Array(bytes.buffer, indexAt, (lineCount * LINE_BYTES) / 2),
    bucketCount: header.buckets,
    seed1: bytes.readInt32LE(16),
    seed2: bytes.readInt32LE(20),
    recordsStart: header.recordsOffset,
    recordsEnd: header.recordsOffset + header.recordsBytes,
  };
}

/** The name and the facts in a header. */
export function metaOf(header: SegmentHeader): SegmentMeta {
  const { shard, shardCount, keyspaceUid, fileBytes, records, keyBytes, valueBytes } = header;
  const digest = header.digest;
  const id = segmentId(shard, digest.toString('hex'), header.contentHash);
  return { id, shard, shardCount, keyspaceUid, fileBytes, records, keyBytes, valueBytes, digest };
}

/** The name and the facts of the segment. */
export function segmentMeta(segment: Segment): SegmentMeta {
  return segment.meta;
}

/** The offset of the record with the key `key[start, end)`, or -1. Throws CORRUPT. */
export function findRecord(segment: Segment, key: Uint8Array, start: number, end: number): number {
  const h1 = hashKey(key, start, end, segment.seed1, segment.seed2);
  return findHashedRecord(segment, key, start, end, h1, lastHash2());
}

/**
 * Like `findRecord`, for a key whose hash is known: h1 = hashKey(key, start, end, seed1, seed2)
 * with the seeds of the segment, which all segments of a keyspace share, and h2 = lastHash2().
 */
export function findHashedRecord(
  segment: Segment,
  key: Uint8Array,
  start: number,
  end: number,
  h1: number,
  h2: number,
): number {
  const lines = segment.lines;
  const pattern = Math.imul(tagOf(h2), 0x01010101);
  let line = bucketOf(h1, segment.bucketCount);
  for (;;) {
    const at = line * 16;
    for (let word = 0; word < 5; word++) {
      let equal = zeroBytes((lines[at + 1 + word] as number) ^ pattern);
      // The last byte of the last word is the count.
      if (word === 4) equal &= 0x00ffffff;
      while (equal !== 0) {
        const entry = word * 4 + ((31 - Math.clz32(equal & -equal)) >>> 3);
        const offset =
          (lines[at] as number) + (segment.lineOffsets[line * 32 + 12 + entry] as number);
        if (isKeyAt(segment, offset, key, start, end)) return offset;
        equal &= equal - 1;
      }
    }
    if ((lines[at + 5] as number) >= 0) return -1;
    line = nextLine(segment, line);
  }
}

/** The index in `segment.lines` of the word at which a lookup of hash `h1` begins. */
export function lineStart(segment: Segment, h1: number): number {
  return bucketOf(h1, segment.bucketCount) * 16;
}

/**
 * The offset of the record that a lookup will most likely visit first, if its line begins at word
 * `at` and the second half of its hash is `h2`; -1 if there is none. A guess, because a tag is only
 * one byte.
 */
export function likelyRecord(segment: Segment, at: number, h2: number): number {
  const lines = segment.lines;
  const pattern = Math.imul(tagOf(h2), 0x01010101);
  for (let word = 0; word < 5; word++) {
    let equal = zeroBytes((lines[at + 1 + word] as number) ^ pattern);
    if (word === 4) equal &= 0x00ffffff;
    if (equal === 0) continue;
    const entry = word * 4 + ((31 - Math.clz32(equal & -equal)) >>> 3);
    return (lines[at] as number) + (segment.lineOffsets[at * 2 + 12 + entry] as number);
  }
  return -1;
}

/**
 * Sets the top bit of each byte of `word` that is zero, exactly (Hacker's Delight, 6-1). Comparing
 * four tags at a time makes a miss take 54 ns instead of 72 ns.
 */
export function zeroBytes(word: number): number {
  return ~(((word & 0x7f7f7f7f) + 0x7f7f7f7f) | word | 0x7f7f7f7f);
}

/**
 * The line in which `line` overflows. It must be a later line of the index, so that every chain
 * ends.
 */
export function nextLine({ lines }: SegmentIndex, line: number): number {
  const next = lines[line * 16 + 15] as number;
  if (next > line && next * 16 < lines.length) return next;
  throw corruptAt('index line %d goes on in line %d of %d', line, next >>> 0, lines.length / 16);
}

/** The error for an index entry that points to `offset`, where no record can be. */
export function strayOffset(
  { recordsEnd, recordsStart }: SegmentIndex,
  offset: number,
): SteleError {
  return corruptAt(
    'the index points at offset %d; its records are at %d to %d',
    offset,
    recordsStart,
    recordsEnd - 1,
  );
}

/**
 * Whether the record at `offset` has the key `key[start, end)`. Compares four bytes at a time: 44
 * ns for 36 bytes instead of 67 ns in a plain loop, both in the cache.
 */
function isKeyAt(
  segment: Segment,
  offset: number,
  key: Uint8Array,
  start: number,
  end: number,
): boolean {
  const { bytes, view, recordsEnd } = segment;
  if (offset < segment.recordsStart || offset >= recordsEnd) throw strayOffset(segment, offset);
  let keyBytes = bytes[offset] as number;
  let at = offset + 1;
  if (keyBytes >= 0x80) {
    keyBytes = readLongVarint(bytes, offset, recordsEnd);
    at = offset + varintBytes(keyBytes);
  }
  if (keyBytes !== end - start) return false;
  // Skips the length of the value.
  while ((bytes[at++] as number) >= 0x80);
  if (at + keyBytes > recordsEnd) throw strayOffset(segment, offset);
  for (; start + 4 <= end; start += 4, at += 4) {
    if (view.getInt32(at, true) !== readInt32(key, start)) return false;
  }
  for (; start < end; start++, at++) if (bytes[at] !== key[start]) return false;
  return true;
}

const bounds = newRecordBounds();

function decodeAt(segment: Segment, offset: number): void {
  boundsOf(segment, offset, bounds);
}

/** Decodes the record at `offset` into `into`. Throws CORRUPT. */
export function boundsOf(segment: Segment, offset: number, into: RecordBounds): void {
  if (decodeRecord(segment.bytes, offset, segment.recordsEnd, into)) return;
  throw corruptAt('there is no record at offset %d', offset);
}

/**
 * The bounds of the record at `offset`. Returns one object per thread, valid until the next call.
 */
export function recordBounds(segment: Segment, offset: number): RecordBounds {
  decodeAt(segment, offset);
  return bounds;
}

/** Start of the key of the record at `offset`; it ends at `valueStart`. */
export function keyStart(segment: Segment, offset: number): number {
  decodeAt(segment, offset);
  return bounds.keyStart;
}

/** Start of the value of the record at `offset`. */
export function valueStart(segment: Segment, offset: number): number {
  decodeAt(segment, offset);
  return bounds.valueStart;
}

/** End of the value of the record at `offset`; the next record begins there. */
export function valueEnd(segment: Segment, offset: number): number {
  decodeAt(segment, offset);
  return bounds.end;
}

/** Length of the value of the record at `offset`, in bytes. */
export function valueLength(segment: Segment, offset: number): number {
  decodeAt(segment, offset);
  return bounds.end - bounds.valueStart;
}

/**
 * Calls `fn` with the offset of every record, in the order of the file: (h1, h2, key), the same in
 * all segments of a keyspace, so that two of them can be merged. To stop early or to read two at
 * once: `for (let at = segment.recordsStart; at < segment.recordsEnd; at = valueEnd(segment, at))`.
 */
export function forEachRecord(segment: Segment, fn: (offset: number) => void): void {
  for (let at = segment.recordsStart; at < segment.recordsEnd;) {
    // `fn` may decode as well, so the end is read first.
    const end = valueEnd(segment, at);
    fn(at);
    at = end;
  }
}

/**
 * Appends the offsets of the records of `bucket` to `out`; buckets are 0 .. bucketCount - 1. A scan
 * uses the bucket's number as its cursor.
 */
export function recordsOfBucket(segment: Segment, bucket: number, out: number[]): void {
  const lines = segment.lines;
  let line = bucket;
  for (;;) {
    const flags = (lines[line * 16 + 5] as number) >>> 24;
    const count = Math.min(flags & COUNT_MASK, LINE_ENTRIES_MAX);
    for (let entry = 0; entry < count; entry++) {
      const offset = segment.lineOffsets[line * 32 + 12 + entry] as number;
      out.push((lines[line * 16] as number) + offset);
    }
    if (flags <= COUNT_MASK) return;
    line = nextLine(segment, line);
  }
}

/**
 * The offset of the first record of h1's bucket, or of the first record after an empty bucket;
 * `recordsEnd` if there is none. All records whose first hash lane is h1 or greater start at or
 * after this offset; at most one bucket of smaller hashes precedes them. Throws CORRUPT.
 */
export function firstRecordNear(segment: SegmentIndex, h1: number): number {
  const { lines, recordsEnd, recordsStart } = segment;
  const offset = lines[bucketOf(h1, segment.bucketCount) * 16] as number;
  if (offset < recordsStart || offset > recordsEnd) throw strayOffset(segment, offset);
  return offset;
}
