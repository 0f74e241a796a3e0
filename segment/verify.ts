// The full verification of a segment: every byte against its checksum, every record against the
// index, every count and the digest against the header. A segment that passes is safe to serve.
//
// It runs in steps of about 64 KiB, so that a scrubber can pause between them and keep to a rate.
//
// There are two passes. The checksums find damage by a disk or a network, and its place. The
// structure pass finds a wrong writer: it goes through the buckets in order and visits every record
// exactly once, so every index entry is known to point to its record. The structure pass reads the
// records through a window; verify-file.ts does both in one pass over a file.

import type { Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { addRecordHash, Digest } from './digest.ts';
import {
  checkFooter,
  contentHasher,
  contentHashOf,
  corrupt,
  corruptAt,
  crcBlock,
  crcBlockCount,
  wrongBlock,
  readHeader,
} from './header.ts';
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
import { HEADER_BYTES, LINE_BYTES } from './layout.ts';
import type { Segment, SegmentIndex } from './reader.ts';
import { newRecordBounds } from './record.ts';
import { RecordWindow } from './record-window.ts';

/** Bytes between two steps. */
const STEP_BYTES = 64 * 1024;

/** Throws CORRUPT, with the fault and its offset, unless the segment is intact. */
export function verifySegment(segment: Segment): void {
  for (const _bytesDone of verifySteps(segment));
}

/**
 * `verifySegment` in steps: yields the bytes read since the previous step, about 64 KiB each and in
 * total twice the size of the file. Throws CORRUPT.
 */
export function* verifySteps(segment: Segment): Generator<number, void, void> {
  yield* hashedChecksumSteps(segment);
  yield* structureSteps(segment);
}

/** A segment whose structure is checked. */
export interface CheckedSegment extends SegmentIndex {
  /** Header and index; may be longer. */
  readonly head: Buffer;
  readonly headView: DataView;
  /** Moves through the records once, in their order. */
  readonly window: RecordWindow;
  /** To look back at a record that `window` has passed. */
  readonly back: RecordWindow;
}

/** Written out, because properties of a spread are one more step away for each record. */
export function checkedSegment(
  index: SegmentIndex,
  { back, head, headView, window }: Omit<CheckedSegment, keyof SegmentIndex>,
): CheckedSegment {
  return {
    head,
    headView,
    window,
    back,
    header: index.header,
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

/**
 * Called with the key `bytes[keyStart, keyEnd)` of a record in 50 or so, and the record's offset in the
 * file.
 */
export type OnSample = (bytes: Buffer, keyStart: number, keyEnd: number, offset: number) => void;

const BUCKETS_A_SAMPLE = 4;

/** The second pass of `verifySteps`, for bytes whose checksums are correct. Throws CORRUPT. */
export function structureSteps(
  segment: Segment,
  onSample?: OnSample,
): Generator<number, void, void> {
  const { bytes: head, view: headView } = segment;
  const window = RecordWindow.overMemory(segment);
  return checkedSteps(checkedSegment(segment, { head, headView, window, back: window }), onSample);
}

/** Like `structureSteps`, for a segment whose records are read through a window. */
export function* checkedSteps(
  segment: CheckedSegment,
  onSample?: OnSample,
): Generator<number, void, void> {
  const state = newState(segment, onSample);
  let yieldedAt = state.at;
  for (let bucket = 0; bucket < segment.header.buckets; bucket++) {
    checkBucket(segment, state, bucket);
    if (state.at - yieldedAt < STEP_BYTES) continue;
    yield state.at - yieldedAt;
    yieldedAt = state.at;
  }
  checkIndexEnd(segment, state);
  checkTotals(segment, state);
}

/**
 * Checks every byte against its checksum, in steps like `verifySteps`. Finds what a disk can do to
 * a file that was verified before it was written. Throws CORRUPT.
 */
export function checksumSteps(segment: Segment): Generator<number, void, void> {
  return blockSteps(segment, undefined);
}

/**
 * Like `checksumSteps`; also checks the content against its hash, which is part of the segment's
 * name. Throws CORRUPT.
 */
export function* hashedChecksumSteps(segment: Segment): Generator<number, void, void> {
  const hasher = contentHasher(segment.bytes);
  yield* blockSteps(segment, hasher);
  if (contentHashOf(hasher) !== segment.header.contentHash) {
    throw corrupt('its content does not have the hash in its header');
  }
}

function* blockSteps(segment: Segment, hasher: Hash | undefined): Generator<number, void, void> {
  const { bytes, header } = segment;
  // The header was checked at the open, but a scrubber may return months later.
  readHeader(bytes);
  checkFooter(bytes, header);
  const blockCount = crcBlockCount(header);
  let read = 0;
  for (let block = 0; block < blockCount; block++) {
    checkBlock(segment, block);
    const content = crcBlock(bytes, header, block);
    hasher?.update(block === 0 ? content.subarray(HEADER_BYTES) : content);
    read += content.length;
    if (read < STEP_BYTES && block < blockCount - 1) continue;
    yield read;
    read = 0;
  }
}

/**
 * Checks the bytes `[from, to)`, rounded outwards to whole CRC blocks, against their checksums; with
 * the first of them also header and footer. Calls for all ranges together check every byte. Throws
 * CORRUPT.
 */
export function verifyRange(segment: Segment, from: number, to: number): void {
  const { bytes, header } = segment;
  if (from === 0) {
    readHeader(bytes);
    checkFooter(bytes, header);
  }
  const end = Math.min(Math.ceil(to / header.crcBlockBytes), crcBlockCount(header));
  for (let block = Math.floor(from / header.crcBlockBytes); block < end; block++) {
    checkBlock(segment, block);
  }
}

function checkBlock({ bytes, header }: Segment, block: number): void {
  const expected = bytes.readUInt32LE(header.footerOffset + block * 4);
  if (crc32(crcBlock(bytes, header, block)) !== expected) throw wrongBlock(header, block);
}

const LINE_WORDS = LINE_BYTES / 4;

/** How far the structure has been checked, and the totals so far. */
interface VerifyState {
  /** Offset where the next record must begin. */
  at: number;
  /** Offset and hash of the previous record; -1 at the start. */
  before: number;
  h1: number;
  h2: number;
  nextOverflowLine: number;
  records: number;
  keyBytes: number;
  valueBytes: number;
  readonly digest: Digest;
  readonly onSample: OnSample | undefined;
}

function newState(segment: CheckedSegment, onSample: OnSample | undefined): VerifyState {
  const zeros = { before: -1, h1: 0, h2: 0, records: 0, keyBytes: 0, valueBytes: 0 };
  const nextOverflowLine = segment.header.buckets;
  const digest = new Digest();
  return { at: segment.recordsStart, nextOverflowLine, ...zeros, digest, onSample };
}

function checkBucket(segment: CheckedSegment, state: VerifyState, bucket: number): void {
  if (bucket % BUCKETS_A_SAMPLE === 0 && state.onSample !== undefined) {
    sampleRecord(segment, state.at, state.onSample);
  }
  let line = bucket;
  while (checkLine(segment, state, bucket, line)) line = state.nextOverflowLine++;
}

/** The record at `offset`, unless there is none: then the check of its line says so. */
function sampleRecord({ recordsEnd, window }: CheckedSegment, offset: number, on: OnSample): void {
  if (offset >= recordsEnd || !window.record(offset, recordsEnd, bounds)) return;
  on(window.bytes, bounds.keyStart, bounds.valueStart, offset);
}

/** Checks one line and its records; returns whether the bucket continues in an overflow line. */
function checkLine(
  segment: CheckedSegment,
  state: VerifyState,
  bucket: number,
  line: number,
): boolean {
  const { lines, lineOffsets } = segment;
  const lineAt = HEADER_BYTES + line * LINE_BYTES;
  const flags = segment.head[lineAt + COUNT_AT] as number;
  const count = flags & COUNT_MASK;
  const hasMore = flags >= OVERFLOW_FLAG;
  const base = state.at;
  if ((lines[line * LINE_WORDS] as number) >>> 0 !== base) {
    throw corruptAt('index line %d does not begin with the record at offset %d', line, base);
  }
  if (
    count > (hasMore ? LINE_ENTRIES_WITH_OVERFLOW : LINE_ENTRIES_MAX) ||
    (hasMore && count === 0)
  ) {
    throw corruptAt('index line %d claims %d entries', line, count);
  }
  const offsetsAt = line * LINE_WORDS * 2 + OFFSETS_AT / 2;
  for (let entry = 0; entry < count; entry++) {
    if (base + (lineOffsets[offsetsAt + entry] as number) !== state.at) {
      throw corruptAt(
        'entry %d of index line %d does not point at offset %d',
        entry,
        line,
        state.at,
      );
    }
    checkRecord(segment, state, bucket);
    if (segment.head[lineAt + TAGS_AT + entry] !== tagOf(state.h2)) {
      throw corruptAt('entry %d of index line %d has the wrong tag', entry, line);
    }
  }
  checkUnused(segment.headView, lineAt, line, count, hasMore);
  if (hasMore) checkNextLine(segment, state, lineAt, line);
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
    throw corruptAt('index line %d has a tag for no record', line);
  }
  const offsetsEnd = lineAt + (hasMore ? NEXT_AT : LINE_BYTES);
  if (!isZero(view, lineAt + OFFSETS_AT + count * 2, offsetsEnd)) {
    throw corruptAt('index line %d has an offset for no record', line);
  }
}

/** Whether all of `[from, end)` is zero. Reads words first, because most lines are half empty. */
function isZero(view: DataView, from: number, end: number): boolean {
  let bits = 0;
  for (; from + 4 <= end; from += 4) bits |= view.getInt32(from, true);
  for (; from < end; from++) bits |= view.getUint8(from);
  return bits === 0;
}

function checkNextLine(
  segment: CheckedSegment,
  state: VerifyState,
  lineAt: number,
  line: number,
): void {
  const next = segment.head.readUInt32LE(lineAt + NEXT_AT);
  const lineCount = segment.header.buckets + segment.header.overflowLines;
  if (next !== state.nextOverflowLine || next >= lineCount) {
    throw corruptAt('index line %d goes on in line %d, not %d', line, next, state.nextOverflowLine);
  }
}

const bounds = newRecordBounds();

/** Checks the record at `state.at`, counts it and moves on to the next. */
function checkRecord(segment: CheckedSegment, state: VerifyState, bucket: number): void {
  const { window } = segment;
  const at = state.at;
  if (!window.record(at, segment.recordsEnd, bounds)) {
    throw corruptAt('there is no valid record at offset %d', at);
  }
  const { end, keyStart, valueStart } = bounds;
  const { base, view } = window;
  const h1 = hashKeyAt(view, keyStart, valueStart, segment.seed1, segment.seed2);
  const h2 = lastHash2();
  if (bucketOf(h1, segment.bucketCount) !== bucket) {
    throw corruptAt('the record at offset %d is in bucket %d, not in that of its key', at, bucket);
  }
  if (state.before >= 0 && !isAfter(segment, state, h1, h2, keyStart, valueStart)) {
    throw corruptAt('the record at offset %d is not sorted after the one at %d', at, state.before);
  }
  addRecordHash(state.digest.lanes, 1, view, keyStart, valueStart, end);
  state.at = base + end;
  state.records++;
  state.keyBytes += valueStart - keyStart;
  state.valueBytes += end - valueStart;
  state.before = at;
  state.h1 = h1;
  state.h2 = h2;
}

/** Whether (h1, h2, key) is greater than that of the previous record. */
function isAfter(
  segment: CheckedSegment,
  state: VerifyState,
  h1: number,
  h2: number,
  keyStart: number,
  keyEnd: number,
): boolean {
  if (h1 !== state.h1) return h1 >>> 0 > state.h1 >>> 0;
  if (h2 !== state.h2) return h2 >>> 0 > state.h2 >>> 0;
  const { back, recordsEnd, window } = segment;
  const before = newRecordBounds();
  back.record(state.before, recordsEnd, before);
  return window.bytes.compare(back.bytes, before.keyStart, before.valueStart, keyStart, keyEnd) > 0;
}

function checkIndexEnd(segment: CheckedSegment, state: VerifyState): void {
  const { header } = segment;
  if (state.at !== segment.recordsEnd) {
    throw corruptAt('the index reaches offset %d, the records %d', state.at, segment.recordsEnd);
  }
  if (state.nextOverflowLine !== header.buckets + header.overflowLines) {
    throw corrupt(`it has overflow lines that no bucket uses`);
  }
}

function checkTotals(segment: CheckedSegment, state: VerifyState): void {
  const { header, window } = segment;
  // Without records there is no padding either, because the index ends at a multiple of 64.
  window.need(state.at, header.footerOffset);
  const padding = window.bytes.subarray(state.at - window.base, header.footerOffset - window.base);
  if (padding.some((byte) => byte !== 0)) {
    throw corrupt('the padding after the records is not zero');
  }
  const isCounted =
    state.records === header.records &&
    state.keyBytes === header.keyBytes &&
    state.valueBytes === header.valueBytes;
  if (!isCounted)
    throw corruptAt('it holds %d records, or other byte counts than it says', state.records);
  if (!state.digest.toBytes().equals(header.digest)) {
    throw corrupt('its records do not have the digest in its header');
  }
}
