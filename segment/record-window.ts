// The bytes around the record that is being read: all of a segment in memory, or a part of its file
// that moves along.
//
//     file    [header | index | ... records ......................... | checksums ]
//     window                          base [=========] end
//
// Readers that go through records in their order (walk.ts, verify-file.ts) or look up keys in the
// order of their hashes (overlay.ts, diff.ts) only ever move a window forward. So it takes the memory
// of a few blocks, or of the largest record, whatever the size of the file.
//
// Invariant: every byte in a window of a file has passed the checksum of its block.
//
// Hot: `bytes`, `view` and `base` are read per record; a window over memory never moves.

import assert from 'node:assert/strict';
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../base/limits.ts';
import { blocksOf, corruptAt } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { findPlace, foundPlace } from './place.ts';
import { findHashedRecord } from './reader.ts';
import type { Segment, SegmentIndex } from './reader.ts';
import { decodeRecord, recordBytes } from './record.ts';
import type { RecordBounds } from './record.ts';
import { checkBlocks, crcsOf } from './resident.ts';

/** Read from a file at a time where records are read in their order. */
export const WINDOW_BYTES = 256 * 1024;
const RECORD_BYTES_MAX = recordBytes(KEY_BYTES_MAX, VALUE_BYTES_MAX);

/** Fills `into` with the bytes of a file from `position` on. Blocks. Throws CORRUPT, IO. */
export type ReadAt = (into: Buffer, position: number) => void;

/** A segment file as a window needs it. */
export interface WindowFile {
  readonly header: SegmentHeader;
  /** The CRC32 of each block. */
  readonly crcs: Uint32Array;
  readonly read: ReadAt;
  /** Read from a record on, for those that follow. Default: WINDOW_BYTES. */
  readonly aheadBytes?: number;
  /** Called with bytes that were read and checked, and their position. */
  readonly onRead?: (bytes: Buffer, position: number) => void;
}

/** A segment whose records are read through a window. */
export interface WindowedSegment extends SegmentIndex {
  readonly window: RecordWindow;
  /** Undefined if it is on disk. */
  readonly whole: Segment | undefined;
}

export class RecordWindow {
  bytes: Buffer;
  view: DataView;
  /** Offset in the file of the first byte of `bytes`. */
  base: number;
  /** Offset in the file after the last byte that is here; `bytes` may be longer. */
  end: number;
  readonly #file: WindowFile | undefined;

  private constructor(bytes: Buffer, view: DataView, end: number, file: WindowFile | undefined) {
    this.bytes = bytes;
    this.view = view;
    this.base = 0;
    this.end = end;
    this.#file = file;
  }

  static overMemory({ bytes, view }: Pick<Segment, 'bytes' | 'view'>): RecordWindow {
    return new RecordWindow(bytes, view, bytes.length, undefined);
  }

  /** Reads nothing yet. */
  static overFile(file: WindowFile): RecordWindow {
    const bytes = Buffer.alloc(0);
    return new RecordWindow(bytes, new DataView(bytes.buffer, bytes.byteOffset, 0), 0, file);
  }

  /**
   * Sets `bounds`, as offsets in `bytes`, to those of the record at `offset` of the file, and moves
   * there if it is not here. Returns false if there is no valid record before `recordsEnd`. Throws
   * CORRUPT for a wrong checksum, and what the file throws.
   */
  record(offset: number, recordsEnd: number, bounds: RecordBounds): boolean {
    const limit = this.end < recordsEnd ? this.end : recordsEnd;
    const at = offset - this.base;
    if (at >= 0 && decodeRecord(this.bytes, at, limit - this.base, bounds)) return true;
    return this.#file !== undefined && this.#moveToRecord(this.#file, offset, recordsEnd, bounds);
  }

  /** Makes the bytes [start, end) of the file available, and no others. Throws like `record`. */
  need(start: number, end: number): void {
    if (start === end || (start >= this.base && end <= this.end)) return;
    const file = this.#file;
    assert(file !== undefined, 'A window over memory has all bytes.');
    const { from, to } = blocksOf(file.header, start, end);
    // Blocks that are here are neither read nor checked again.
    const isFollowed = from >= this.base && from < this.end && to > this.end;
    const kept = isFollowed ? this.end - from : 0;
    this.#makeRoom(from - this.base, kept, to - from);
    this.base = from;
    this.end = from + kept;
    this.#read(file, this.end, to);
    this.end = to;
  }

  /** Moves `kept` bytes from `start` on to the beginning of a buffer of at least `byteCount`. */
  #makeRoom(start: number, kept: number, byteCount: number): void {
    const before = this.bytes;
    if (before.length < byteCount) {
      this.bytes = Buffer.allocUnsafeSlow(byteCount);
      this.view = new DataView(this.bytes.buffer, 0, byteCount);
    }
    if (kept > 0) before.copy(this.bytes, 0, start, start + kept);
  }

  #read({ crcs, header, onRead, read }: WindowFile, from: number, to: number): void {
    const bytes = this.bytes.subarray(from - this.base, to - this.base);
    read(bytes, from);
    const found = crcsOf(bytes, header.crcBlockBytes);
    checkBlocks(header, crcs, from / header.crcBlockBytes, found, 0, found.length);
    onRead?.(bytes, from);
  }

  #moveToRecord(
    { aheadBytes = WINDOW_BYTES }: WindowFile,
    offset: number,
    recordsEnd: number,
    bounds: RecordBounds,
  ): boolean {
    for (let byteCount = Math.max(aheadBytes, 1); ; byteCount *= 2) {
      this.need(offset, Math.min(offset + byteCount, recordsEnd));
      const limit = Math.min(this.end, recordsEnd);
      if (decodeRecord(this.bytes, offset - this.base, limit - this.base, bounds)) return true;
      if (limit === recordsEnd || limit - offset >= RECORD_BYTES_MAX) return false;
      byteCount = Math.max(byteCount, limit - offset);
    }
  }
}

/** A segment in memory, whose window has all of it. */
export function windowed(segment: Segment): WindowedSegment {
  return windowedOf(segment, RecordWindow.overMemory(segment), segment);
}

/** Written out, because properties of a spread are one more step away for each record. */
export function windowedOf(
  index: SegmentIndex,
  window: RecordWindow,
  whole: Segment | undefined,
): WindowedSegment {
  return {
    window,
    whole,
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

/** Like `record` of the segment's window, for an offset at which a record must be. Throws CORRUPT. */
export function recordIn(segment: WindowedSegment, offset: number, bounds: RecordBounds): void {
  if (segment.window.record(offset, segment.recordsEnd, bounds)) return;
  throw corruptAt('there is no record at offset %d', offset);
}

/**
 * Finds the record with the key `key[start, end)`, whose hash is (h1, h2), and sets `bounds` to its
 * place in the window. Returns false if there is none. Throws CORRUPT, and what the file throws.
 */
export function findIn(
  segment: WindowedSegment,
  key: Buffer,
  start: number,
  end: number,
  h1: number,
  h2: number,
  bounds: RecordBounds,
): boolean {
  const { whole, window } = segment;
  if (whole !== undefined) {
    const offset = findHashedRecord(whole, key, start, end, h1, h2);
    if (offset >= 0) recordIn(segment, offset, bounds);
    return offset >= 0;
  }
  for (let skipped = 0; findPlace(segment, h1, h2, skipped); skipped++) {
    // The index says where the record ends, so nothing beyond it has to be read.
    window.need(foundPlace.start, foundPlace.end);
    recordIn(segment, foundPlace.start, bounds);
    const { keyStart, valueStart } = bounds;
    if (valueStart - keyStart !== end - start) continue;
    if (key.compare(window.bytes, keyStart, valueStart, start, end) === 0) return true;
  }
  return false;
}
