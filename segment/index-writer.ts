// Writes the index of a segment whose records come one after the other, in their order.
//
// The lines are those of index-line.ts; what the builder does over a table of all records is done
// here over the records of one bucket at a time. So only the lines are in memory.

import { bucketOf } from './hash.ts';
import { COUNT_AT, lineEntries, NEXT_AT, OVERFLOW_FLAG, writeLine } from './index-line.ts';
import { HEADER_BYTES, LINE_BYTES } from './layout.ts';
import { RecordTable } from './record-table.ts';

/** Overflow lines that are allocated together. */
const OVERFLOW_CHUNK_LINES = 1024;

export class IndexWriter {
  readonly #bucketCount: number;
  readonly #lines: Buffer;
  readonly #overflow: Buffer[] = [];
  #overflowLines = 0;
  /** The records of the present bucket: hashes and places. */
  readonly #table = new RecordTable();
  #count = 0;
  #bucket = 0;
  #recordsBytes = 0;

  constructor(bucketCount: number) {
    this.#bucketCount = bucketCount;
    this.#lines = Buffer.alloc(bucketCount * LINE_BYTES);
    this.#table.reset([], 32);
  }

  get overflowLines(): number {
    return this.#overflowLines;
  }

  /** Bytes of the records so far. */
  get recordsBytes(): number {
    return this.#recordsBytes;
  }

  /** Adds a record that comes after all others by (h1, h2, key). */
  add(h1: number, h2: number, recordBytes: number): void {
    const bucket = bucketOf(h1, this.#bucketCount);
    while (this.#bucket < bucket) this.#endBucket();
    if (this.#count === this.#table.h2.length) this.#grow();
    const table = this.#table;
    table.order[this.#count] = this.#count;
    table.h2[this.#count] = h2;
    table.offsets[this.#count++] = this.#recordsBytes;
    this.#recordsBytes += recordBytes;
  }

  /** The lines in their order; nothing can be added afterwards. */
  finish(): Buffer[] {
    while (this.#bucket < this.#bucketCount) this.#endBucket();
    const recordsOffset = HEADER_BYTES + (this.#bucketCount + this.#overflowLines) * LINE_BYTES;
    const usedBytes = this.#overflowLines * LINE_BYTES;
    const parts = [this.#lines];
    for (const [index, chunk] of this.#overflow.entries()) {
      parts.push(chunk.subarray(0, usedBytes - index * OVERFLOW_CHUNK_LINES * LINE_BYTES));
    }
    for (const part of parts) {
      for (let at = 0; at < part.length; at += LINE_BYTES) {
        part.writeUInt32LE(part.readUInt32LE(at) + recordsOffset, at);
      }
    }
    return parts;
  }

  #endBucket(): void {
    const table = this.#table;
    // Of an empty bucket, a line has the offset of the next record.
    table.offsets[this.#count] = this.#recordsBytes;
    let bytes = this.#lines;
    let at = this.#bucket * LINE_BYTES;
    for (let from = 0; ;) {
      const entries = lineEntries(table.offsets, from, this.#count);
      writeLine(bytes, at, table, from, entries, 0);
      from += entries;
      if (from === this.#count) break;
      bytes[at + COUNT_AT] = entries | OVERFLOW_FLAG;
      bytes.writeUInt32LE(this.#bucketCount + this.#overflowLines, at + NEXT_AT);
      ({ at, bytes } = this.#nextOverflowLine());
    }
    this.#count = 0;
    this.#bucket++;
  }

  #nextOverflowLine(): { readonly bytes: Buffer; readonly at: number } {
    const inChunk = this.#overflowLines++ % OVERFLOW_CHUNK_LINES;
    if (inChunk === 0) this.#overflow.push(Buffer.alloc(OVERFLOW_CHUNK_LINES * LINE_BYTES));
    const bytes = this.#overflow.at(-1) as Buffer;
    return { bytes, at: inChunk * LINE_BYTES };
  }

  /** Keys with one hash may be any number. */
  #grow(): void {
    const { h2, offsets, order } = this.#table;
    this.#table.reset([], this.#count * 2);
    this.#table.h2.set(h2);
    this.#table.order.set(order);
    this.#table.offsets.set(offsets);
  }
}
