// The cache of records that were read from disk (--disk-cache), in front of the disk.
//
// It is divided into parts by hash, each of them a cache of its own (s3-fifo.ts). A part takes its
// memory when its first record arrives, and loses it when segments need it: data goes before cache.
//
// Invariants: only verified records are added; parts take `maxBytes` at most, everything included; all
// of it is within the memory budget of the node.
//
// Hot: `find` and `add` are plain functions over numbers.

import { DISK_CACHE_BYTES_MIN } from '../../base/limits.ts';
import { S3Fifo, S3_FIFO_BYTES_MAX, hashOfPlace } from './s3-fifo.ts';

/** So many parts, unless they would be smaller than this: memory for some of them is often there. */
const PARTS = 8;
const PART_BYTES_MIN = 8 * 1024 * 1024;
/** After a part was refused its memory, or lost it, so many records pass before it asks again. */
const RECORDS_UNTIL_RETRY = 100_000;

/** The memory that a cache may take while nothing else needs it (storage/memory-budget.ts). */
export interface SpareMemory {
  /**
   * Lends `byteCount` bytes. `takeBack` is called once if they are needed for data: nothing may refer
   * to them when it returns. `inUse` returns how many of them the process really takes. Undefined if
   * there are not enough. The returned function ends the loan.
   */
  lend(byteCount: number, takeBack: () => void, inUse: () => number): (() => void) | undefined;
}

interface Part {
  readonly records: S3Fifo;
  readonly release: () => void;
}

const NO_BYTES = Buffer.alloc(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** Where the record that `find` found lies. One per thread, valid until the next call of a cache. */
export const cached: { bytes: Buffer; view: DataView; start: number } = {
  bytes: NO_BYTES,
  view: NO_VIEW,
  start: 0,
};

export class RecordCache {
  readonly maxBytes: number;
  readonly #memory: SpareMemory;
  readonly #partBytes: number;
  readonly #parts: (Part | undefined)[];
  readonly #untilRetry: Int32Array;
  #usedBytes = 0;
  /** Called when memory is released: a record that was found is not valid any more. */
  onRelease: () => void = () => undefined;
  /** Records found since the start. */
  hits = 0;

  /** Of `maxBytes` bytes; 0 or less than DISK_CACHE_BYTES_MIN: nothing is cached. */
  constructor(maxBytes: number, memory: SpareMemory, partBytesMax = S3_FIFO_BYTES_MAX) {
    this.maxBytes = maxBytes >= DISK_CACHE_BYTES_MIN ? maxBytes : 0;
    this.#memory = memory;
    const usual = Math.min(PARTS, Math.floor(this.maxBytes / PART_BYTES_MIN));
    const count = Math.max(usual, Math.ceil(this.maxBytes / partBytesMax));
    this.#partBytes = Math.floor(this.maxBytes / count);
    this.#parts = Array.from({ length: count }, () => undefined);
    this.#untilRetry = new Int32Array(count);
  }

  /** Bytes of memory that it has borrowed. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Upper bound of the bytes of these that were ever written, so that the process takes them. */
  get touchedBytes(): number {
    return this.#parts.reduce((sum, part) => sum + (part?.records.touchedBytes ?? 0), 0);
  }

  /** Records that are cached now. */
  get count(): number {
    return this.#parts.reduce((sum, part) => sum + (part?.records.count ?? 0), 0);
  }

  /** Whether the record at offset `start` of a segment is here; if so, `cached` says where. */
  find(segment: number, start: number): boolean {
    if (this.#usedBytes === 0) return false;
    const hash = hashOfPlace(segment, start);
    const records = this.#parts[this.#partOf(hash)]?.records;
    if (records === undefined) return false;
    const at = records.find(segment, start, hash);
    if (at < 0) return false;
    this.hits++;
    cached.bytes = records.bytes;
    cached.view = records.view;
    cached.start = at;
    return true;
  }

  /** Copies a verified record, `bytes[from, from + length)`, unless it is too large. */
  add(segment: number, start: number, bytes: Uint8Array, from: number, length: number): void {
    if (this.#parts.length === 0) return;
    const hash = hashOfPlace(segment, start);
    const index = this.#partOf(hash);
    const records = this.#parts[index]?.records ?? this.#open(index);
    if (records === undefined || length > records.recordBytesMax) return;
    records.add(segment, start, hash, bytes, from, length);
  }

  /** Forgets everything and releases its memory. */
  clear(): void {
    for (const [index, part] of this.#parts.entries()) {
      part?.release();
      this.#close(index);
    }
  }

  #partOf(hash: number): number {
    // Other bits than those that choose the place within the part.
    return ((Math.imul(hash, 0x9e3779b1) >>> 16) * this.#parts.length) >>> 16;
  }

  #open(index: number): S3Fifo | undefined {
    const untilRetry = this.#untilRetry[index] as number;
    if (untilRetry > 0) {
      this.#untilRetry[index] = untilRetry - 1;
      return undefined;
    }
    this.#untilRetry[index] = RECORDS_UNTIL_RETRY;
    const release = this.#memory.lend(
      this.#partBytes,
      () => this.#close(index),
      () => this.#parts[index]?.records.touchedBytes ?? 0,
    );
    if (release === undefined) return undefined;
    try {
      const records = new S3Fifo(this.#partBytes);
      this.#parts[index] = { records, release };
      this.#usedBytes += records.byteCount;
      return records;
    } catch (thrown) {
      release();
      // The process has no memory for it; reads go on without.
      if (thrown instanceof RangeError) return undefined;
      throw thrown;
    }
  }

  #close(index: number): void {
    const part = this.#parts[index];
    if (part === undefined) return;
    this.#parts[index] = undefined;
    this.#usedBytes -= part.records.byteCount;
    cached.bytes = NO_BYTES;
    cached.view = NO_VIEW;
    this.onRelease();
  }
}
