// The index has one line of 64 bytes per bucket. A line is one cache line, so a lookup that finds
// its key has two cache misses: the line and the record.
//
//      0        4                            23 24                                    62   64
//     +--------+----------------------------+--+--------------------------------------+----+
//     | base   | tags[19], 1 byte each      |n | offsets[19], u16 each                | 0  |
//     +--------+----------------------------+--+--------------------------------------+----+
//     | base   | tags[18], then a 0         |n'| offsets[18]                     | next, u32|
//     +--------+----------------------------+--+---------------------------------+---------+
//      0        4                            23 24                                60       64
//
//     n    entries in use, 0..19; n' = n + 0x80: the bucket continues in line number `next`
//     base file offset of the first record of the line (of an empty bucket: where it would be)
//     record i of the line is at base + offsets[i]; its tag is never 0, and unused tags are 0
//
// Lines 0 .. bucketCount-1 belong to the buckets; the overflow lines follow in the order in which
// the buckets need them. A bucket overflows if it has more than 19 records, or if its records span
// more than a u16 can express (large values). `next` is always greater than the line's own number.
//
// The flag is the sign bit of word 5, and the tags fill words 1 to 5: a probe compares four tags at
// a time.

import { bucketOf, tagOf } from './hash.ts';
import { HEADER_BYTES, LINE_BYTES } from './layout.ts';
import type { RecordTable } from './record-table.ts';

export const LINE_ENTRIES_MAX = 19;
export const LINE_ENTRIES_WITH_OVERFLOW = 18;
export const OVERFLOW_FLAG = 0x80;
export const COUNT_MASK = 0x7f;
export const TAGS_AT = 4;
export const COUNT_AT = 23;
export const OFFSETS_AT = 24;
export const NEXT_AT = 60;
const SPAN_MAX = 0xffff;

/**
 * The number of overflow lines that the sorted, deduplicated records of `table` need with
 * `bucketCount` buckets.
 */
export function countOverflowLines(table: RecordTable, bucketCount: number): number {
  let lines = 0;
  for (let from = 0; from < table.uniqueCount;) {
    const to = bucketEnd(table, bucketCount, from);
    from += lineEntries(table.offsets, from, to);
    while (from < to) {
      from += lineEntries(table.offsets, from, to);
      lines++;
    }
  }
  return lines;
}

/** Writes all lines; `table.offsets` are relative to `recordsOffset`. */
export function writeIndex(
  bytes: Buffer,
  table: RecordTable,
  bucketCount: number,
  recordsOffset: number,
): void {
  let overflowLine = bucketCount;
  let from = 0;
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    let to = from;
    if (from < table.uniqueCount && bucketAt(table, bucketCount, from) === bucket) {
      to = bucketEnd(table, bucketCount, from);
    }
    let line = bucket;
    for (;;) {
      const entries = lineEntries(table.offsets, from, to);
      const at = HEADER_BYTES + line * LINE_BYTES;
      writeLine(bytes, at, table, from, entries, recordsOffset);
      from += entries;
      if (from === to) break;
      line = overflowLine++;
      bytes[at + COUNT_AT] = entries | OVERFLOW_FLAG;
      bytes.writeUInt32LE(line, at + NEXT_AT);
    }
  }
}

/** Writes a line of the records `[from, from + entries)`, the first of which is in the line. */
export function writeLine(
  bytes: Buffer,
  at: number,
  table: RecordTable,
  from: number,
  entries: number,
  recordsOffset: number,
): void {
  const base = table.offsets[from] as number;
  bytes.writeUInt32LE(recordsOffset + base, at);
  bytes[at + COUNT_AT] = entries;
  for (let entry = 0; entry < entries; entry++) {
    const record = table.order[from + entry] as number;
    const offset = (table.offsets[from + entry] as number) - base;
    bytes[at + TAGS_AT + entry] = tagOf(table.h2[record] as number);
    bytes[at + OFFSETS_AT + entry * 2] = offset;
    bytes[at + OFFSETS_AT + entry * 2 + 1] = offset >>> 8;
  }
}

/**
 * The number of records, of `[from, to)` of one bucket, that fit in a line beginning with `from`.
 */
export function lineEntries(offsets: Uint32Array, from: number, to: number): number {
  const most = Math.min(to - from, LINE_ENTRIES_MAX);
  const limit = (offsets[from] as number) + SPAN_MAX;
  let entries = Math.min(most, 1);
  while (entries < most && (offsets[from + entries] as number) <= limit) entries++;
  return entries === to - from ? entries : Math.min(entries, LINE_ENTRIES_WITH_OVERFLOW);
}

/** End of the bucket whose first record is at place `from` of the sorted order. */
function bucketEnd(table: RecordTable, bucketCount: number, from: number): number {
  const bucket = bucketAt(table, bucketCount, from);
  let to = from + 1;
  while (to < table.uniqueCount && bucketAt(table, bucketCount, to) === bucket) to++;
  return to;
}

function bucketAt(table: RecordTable, bucketCount: number, place: number): number {
  return bucketOf(table.h1[table.order[place] as number] as number, bucketCount);
}
