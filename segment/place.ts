// Finds the place of a record by the index alone, for segments whose records are on disk.
//
//   h1, h2 -> index line -> entries with the key's tag -> [start, end) of each such record
//
// A tag is one byte, so an entry may be of another key: the caller reads the record, compares the
// key, and asks for the next place. About one lookup in twenty of a missing key finds such an entry.
//
// The records of a segment are contiguous and the entries are in their order, so a record ends where
// that of the next entry begins: no read is needed to learn how long it is.
//
// Hot: plain functions over numbers.

import { bucketOf, tagOf } from './hash.ts';
import { COUNT_MASK } from './index-line.ts';
import { firstRecordNear, nextLine, strayOffset, zeroBytes } from './reader.ts';
import type { SegmentIndex } from './reader.ts';

/** The bounds of the record found last: offsets in the file. One per thread. */
export const foundPlace = { start: 0, end: 0 };

/**
 * Finds the record that a lookup of the hash (h1, h2) visits after `skipped` others; sets
 * `foundPlace`. Returns false if there is none. Throws CORRUPT.
 */
export function findPlace(index: SegmentIndex, h1: number, h2: number, skipped: number): boolean {
  const { lines } = index;
  const pattern = Math.imul(tagOf(h2), 0x01010101);
  const bucket = bucketOf(h1, index.bucketCount);
  let left = skipped;
  let line = bucket;
  for (;;) {
    const at = line * 16;
    for (let word = 0; word < 5; word++) {
      let equal = zeroBytes((lines[at + 1 + word] as number) ^ pattern);
      // The last byte of the last word is the count.
      if (word === 4) equal &= 0x00ffffff;
      for (; equal !== 0; equal &= equal - 1) {
        if (left-- > 0) continue;
        const entry = word * 4 + ((31 - Math.clz32(equal & -equal)) >>> 3);
        setPlace(index, bucket, line, entry);
        return true;
      }
    }
    if ((lines[at + 5] as number) >= 0) return false;
    line = nextLine(index, line);
  }
}

function setPlace(index: SegmentIndex, bucket: number, line: number, entry: number): void {
  const { lineOffsets, lines } = index;
  const base = lines[line * 16] as number;
  const flags = (lines[line * 16 + 5] as number) >>> 24;
  const start = base + (lineOffsets[line * 32 + 12 + entry] as number);
  let end: number;
  if (entry + 1 < (flags & COUNT_MASK)) {
    end = base + (lineOffsets[line * 32 + 12 + entry + 1] as number);
  } else if (flags > COUNT_MASK) {
    end = lines[nextLine(index, line) * 16] as number;
  } else end = firstRecordAfter(index, bucket);
  if (start < index.recordsStart || end > index.recordsEnd || end <= start) {
    throw strayOffset(index, start);
  }
  foundPlace.start = start;
  foundPlace.end = end;
}

/** The offset of the first record after those of `bucket`; the end of the records if there is none. */
function firstRecordAfter(
  { bucketCount, lines, recordsEnd }: SegmentIndex,
  bucket: number,
): number {
  return bucket + 1 < bucketCount ? (lines[(bucket + 1) * 16] as number) : recordsEnd;
}

/**
 * The first hash at which a stretch of records that begins with the bucket of `h1` has `byteCount`
 * bytes or more: 2^32 if all that follow have fewer. Stretches end between two buckets, and have at
 * least one.
 */
export function hashAfterBytes(index: SegmentIndex, h1: number, byteCount: number): number {
  const { bucketCount, lines } = index;
  const first = bucketOf(h1, bucketCount);
  const wanted = (lines[first * 16] as number) + byteCount;
  let low = first + 1;
  let high = bucketCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((lines[middle * 16] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low >= bucketCount ? 2 ** 32 : Math.ceil((low * 2 ** 32) / bucketCount);
}

/**
 * Where the records with a first hash of `from` to `to` (exclusive, at most 2^32) are: at most a
 * bucket of others is before and after them.
 */
export function placeOfHashes(
  index: SegmentIndex,
  from: number,
  to: number,
): { readonly start: number; readonly end: number } {
  const start = firstRecordNear(index, from);
  if (to >= 2 ** 32) return { start, end: index.recordsEnd };
  const end = firstRecordAfter(index, bucketOf(to, index.bucketCount));
  return { start, end: Math.max(start, end) };
}
