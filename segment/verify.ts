// The full check of a segment: every byte against its checksum, every record against the index, every
// count and the digest against the header. A segment that passes is safe to serve.
//
// In steps of about one CRC block, so that a scrubber can stop in between and keep to a rate.
//
// Two passes. Checksums first: they find what a disk or a network did, and say where. Then the
// structure, which finds what a wrong writer did: the walk goes through the buckets in order and meets
// every record exactly once, so whatever the index points at is what lies there.

import { addRecordHash, Digest } from './digest.ts';
import { blockCrc, corrupt, crcBlockCount, readFooter, readHeader } from './header.ts';
import { bucketOf, hashKeyAt, lastHash2, tagOf } from './hash.ts';
import {
  COUNT_AT,
  COUNT_MASK,
  LINE_ENTRIES_MAX,
  LINE_ENTRIES_WITH_OVERFLOW,
  NEXT_AT,
  OFFSETS_AT,
  OVERFLOW_FLAG,
  TAGS_AT,
} from './index-line.ts';
import { CRC_BLOCK_BYTES, HEADER_BYTES, LINE_BYTES } from './layout.ts';
import type { Segment } from './reader.ts';
import { decodeRecord, newRecordBounds } from './record.ts';

/** Throws CORRUPT, saying what is wrong and at which offset, unless the segment is whole. */
export function verifySegment(segment: Segment): void {
  for (const _bytesDone of verifySteps(segment));
}

/**
 * `verifySegment` in steps: yields the bytes read since the step before, about 64 KiB each, twice the
 * size of the file in all. Throws as it does.
 */
export function* verifySteps(segment: Segment): Generator<number, void, void> {
  yield* checksumSteps(segment);
  yield* structureSteps(segment);
}

/** The second pass of `verifySteps`, over bytes whose checksums are right. Throws as it does. */
export function* structureSteps(segment: Segment): Generator<number, void, void> {
  const walk = newWalk(segment);
  let yieldedAt = walk.at;
  for (let bucket = 0; bucket < segment.header.buckets; bucket++) {
    checkBucket(segment, walk, bucket);
    if (walk.at - yieldedAt < CRC_BLOCK_BYTES) continue;
    yield walk.at - yieldedAt;
    yieldedAt = walk.at;
  }
  checkIndexEnd(segment, walk);
  checkTotals(segment, walk);
}

/**
 * Every byte against its checksum, in steps as `verifySteps`: what a disk can do to a file that
 * was verified before it was written.
 */
export function* checksumSteps(segment: Segment): Generator<number, void, void> {
  const { bytes, header } = segment;
  // Again, although it was opened: a scrubber comes back months later.
  readHeader(bytes);
  readFooter(bytes, header);
  for (let block = 0; block < crcBlockCount(header.footerOffset); block++) {
    checkBlock(bytes, header.footerOffset, block);
    yield CRC_BLOCK_BYTES;
  }
}

/**
 * The bytes `[from, to)` against their checksums, rounded outwards to whole CRC blocks; header and
 * footer as well. Throws as `checksumSteps`: a scrubber that takes all ranges has checked every byte.
 */
export function verifyRange(segment: Segment, from: number, to: number): void {
  const { bytes, header } = segment;
  readHeader(bytes);
  readFooter(bytes, header);
  const end = Math.min(Math.ceil(to / CRC_BLOCK_BYTES), crcBlockCount(header.footerOffset));
  for (let block = Math.floor(from / CRC_BLOCK_BYTES); block < end; block++) {
    checkBlock(bytes, header.footerOffset, block);
  }
}

function checkBlock(bytes: Buffer, footerOffset: number, block: number): void {
  if (blockCrc(bytes, footerOffset, block) === bytes.readUInt32LE(footerOffset + block * 4)) return;
  const start = block * CRC_BLOCK_BYTES;
  const end = Math.min(start + CRC_BLOCK_BYTES, footerOffset);
  throw corrupt(`the checksum of block ${block} (bytes ${start} to ${end - 1}) is wrong`);
}

const LINE_WORDS = LINE_BYTES / 4;

/** How far the structure has been followed, and what was met on the way. */
interface Walk {
  /** Offset of the record that must come next. */
  at: number;
  /** Offset and hash of the record before; -1 at the start. */
  before: number;
  h1: number;
  h2: number;
  nextOverflowLine: number;
  records: number;
  keyBytes: number;
  valueBytes: number;
  readonly digest: Digest;
}

function newWalk(segment: Segment): Walk {
  const zeros = { before: -1, h1: 0, h2: 0, records: 0, keyBytes: 0, valueBytes: 0 };
  const nextOverflowLine = segment.header.buckets;
  return { at: segment.recordsStart, nextOverflowLine, ...zeros, digest: new Digest() };
}

function checkBucket(segment: Segment, walk: Walk, bucket: number): void {
  let line = bucket;
  while (checkLine(segment, walk, bucket, line)) line = walk.nextOverflowLine++;
}

/** Checks one line and its records; returns whether the bucket goes on in an overflow line. */
function checkLine(segment: Segment, walk: Walk, bucket: number, line: number): boolean {
  const { lines, lineOffsets } = segment;
  const lineAt = HEADER_BYTES + line * LINE_BYTES;
  const flags = segment.bytes[lineAt + COUNT_AT] as number;
  const count = flags & COUNT_MASK;
  const hasMore = flags >= OVERFLOW_FLAG;
  const base = walk.at;
  if ((lines[line * LINE_WORDS] as number) >>> 0 !== base) {
    throw corrupt(`index line ${line} does not begin with the record at offset ${base}`);
  }
  if (
    count > (hasMore ? LINE_ENTRIES_WITH_OVERFLOW : LINE_ENTRIES_MAX) ||
    (hasMore && count === 0)
  ) {
    throw corrupt(`index line ${line} claims ${count} entries`);
  }
  const offsetsAt = line * LINE_WORDS * 2 + OFFSETS_AT / 2;
  for (let entry = 0; entry < count; entry++) {
    if (base + (lineOffsets[offsetsAt + entry] as number) !== walk.at) {
      throw corrupt(`entry ${entry} of index line ${line} does not point at offset ${walk.at}`);
    }
    checkRecord(segment, walk, bucket);
    if (segment.bytes[lineAt + TAGS_AT + entry] !== tagOf(walk.h2)) {
      throw corrupt(`entry ${entry} of index line ${line} has the wrong tag`);
    }
  }
  checkUnused(segment.view, lineAt, line, count, hasMore);
  if (hasMore) checkNextLine(segment, walk, lineAt, line);
  return hasMore;
}

function checkUnused(
  view: DataView,
  lineAt: number,
  line: number,
  count: number,
  hasMore: boolean,
): void {
  if (!isZero(view, lineAt + TAGS_AT + count, lineAt + COUNT_AT)) {
    throw corrupt(`index line ${line} has a tag for no record`);
  }
  const offsetsEnd = lineAt + (hasMore ? NEXT_AT : LINE_BYTES);
  if (!isZero(view, lineAt + OFFSETS_AT + count * 2, offsetsEnd)) {
    throw corrupt(`index line ${line} has an offset for no record`);
  }
}

/** Whether all of `[from, end)` is zero; words first, since most lines are half empty. */
function isZero(view: DataView, from: number, end: number): boolean {
  let bits = 0;
  for (; from + 4 <= end; from += 4) bits |= view.getInt32(from, true);
  for (; from < end; from++) bits |= view.getUint8(from);
  return bits === 0;
}

function checkNextLine(segment: Segment, walk: Walk, lineAt: number, line: number): void {
  const next = segment.bytes.readUInt32LE(lineAt + NEXT_AT);
  const lineCount = segment.header.buckets + segment.header.overflowLines;
  if (next !== walk.nextOverflowLine || next >= lineCount) {
    throw corrupt(`index line ${line} goes on in line ${next}, not ${walk.nextOverflowLine}`);
  }
}

const bounds = newRecordBounds();

/** Checks the record at `walk.at`, counts it and moves on to the next. */
function checkRecord(segment: Segment, walk: Walk, bucket: number): void {
  const { bytes } = segment;
  const at = walk.at;
  if (!decodeRecord(bytes, at, segment.recordsEnd, bounds)) {
    throw corrupt(`there is no valid record at offset ${at}`);
  }
  const { end, keyStart, valueStart } = bounds;
  const h1 = hashKeyAt(segment.view, keyStart, valueStart, segment.seed1, segment.seed2);
  const h2 = lastHash2();
  if (bucketOf(h1, segment.bucketCount) !== bucket) {
    throw corrupt(`the record at offset ${at} is in bucket ${bucket}, not in that of its key`);
  }
  if (walk.before >= 0 && !isAfter(segment, walk, h1, h2, keyStart, valueStart)) {
    throw corrupt(`the record at offset ${at} is not sorted behind the one at ${walk.before}`);
  }
  addRecordHash(walk.digest.lanes, 1, segment.view, keyStart, valueStart, end);
  walk.at = end;
  walk.records++;
  walk.keyBytes += valueStart - keyStart;
  walk.valueBytes += end - valueStart;
  walk.before = at;
  walk.h1 = h1;
  walk.h2 = h2;
}

/** Whether (h1, h2, key) is greater than that of the record before. */
function isAfter(
  segment: Segment,
  walk: Walk,
  h1: number,
  h2: number,
  keyStart: number,
  keyEnd: number,
): boolean {
  if (h1 !== walk.h1) return h1 >>> 0 > walk.h1 >>> 0;
  if (h2 !== walk.h2) return h2 >>> 0 > walk.h2 >>> 0;
  const { bytes } = segment;
  const before = newRecordBounds();
  decodeRecord(bytes, walk.before, segment.recordsEnd, before);
  return bytes.compare(bytes, before.keyStart, before.valueStart, keyStart, keyEnd) > 0;
}

function checkIndexEnd(segment: Segment, walk: Walk): void {
  const { header } = segment;
  if (walk.at !== segment.recordsEnd) {
    throw corrupt(`the index reaches offset ${walk.at}, the records ${segment.recordsEnd}`);
  }
  if (walk.nextOverflowLine !== header.buckets + header.overflowLines) {
    throw corrupt(`it has overflow lines that no bucket uses`);
  }
}

function checkTotals(segment: Segment, walk: Walk): void {
  const { bytes, header } = segment;
  if (bytes.subarray(walk.at, header.footerOffset).some((byte) => byte !== 0)) {
    throw corrupt('the filling bytes behind the records are not zero');
  }
  const isCounted =
    walk.records === header.records &&
    walk.keyBytes === header.keyBytes &&
    walk.valueBytes === header.valueBytes;
  if (!isCounted)
    throw corrupt(`it holds ${walk.records} records, or other byte counts than it says`);
  if (!walk.digest.toBytes().equals(header.digest)) {
    throw corrupt('its records do not have the digest in its header');
  }
}
