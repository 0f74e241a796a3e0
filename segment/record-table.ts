// The builder's working memory: a row of numbers per input record, in typed arrays that are reused
// from one segment to the next. Holds 28 bytes per record, and no objects.
//
//     scanParts     h1[i] h2[i] part[i] start[i] length[i]       i: a record, in input order
//     sortRecords   order[place] = i, by (h1, h2, key, i)
//     deduplicate   keeps one place per key; offsets[place]: where its record goes in the segment
//
// The sort is linear: a counting sort on the top of h1, then tiny sorts of about four records.
//
// Hot loops: plain functions over numbers, no allocation per record.

import { SteleError } from '../base/errors.ts';
import { freeMemory } from '../base/process/free-memory.ts';
import { SEGMENT_BYTES_MAX } from '../base/limits.ts';
import { bucketOf, hashKeyAt, lastHash2 } from './hash.ts';
import { decodeRecord, newRecordBounds } from './record.ts';
import type { RecordBounds } from './record.ts';

/** 'error' lists keys with two values; 'first' and 'last' choose one by input order. */
export type ConflictRule = 'error' | 'first' | 'last';

/** Where an input record is: its part, and its offset there. */
interface RecordPlace {
  readonly part: number;
  readonly offset: number;
}

/** Two records with the same key and different values. */
export interface Conflict {
  readonly first: RecordPlace;
  readonly second: RecordPlace;
}

/** The result of `deduplicate`. `conflicts` has the CONFLICTS_LISTED_MAX earliest ones. */
export interface Deduplication {
  readonly duplicates: number;
  /**
   * The part of `duplicates` that had another value than the record of their key ('first', 'last').
   */
  readonly overruled: number;
  readonly conflictCount: number;
  readonly conflicts: Conflict[];
}

const CONFLICTS_LISTED_MAX = 100;
/**
 * Larger buckets are sorted by merging, because many equal keys would make insertion sort
 * quadratic.
 */
const INSERTION_SORT_MAX = 24;
const SORT_BUCKETS_MAX = 2 ** 21;

/** One per worker thread. `scanParts` grows it as needed; only `release` shrinks it. */
export class RecordTable {
  parts: readonly Uint8Array[] = [];
  /** Records in the input. */
  count = 0;
  h1 = new Int32Array(0);
  h2 = new Int32Array(0);
  part = new Uint32Array(0);
  start = new Uint32Array(0);
  length = new Uint32Array(0);
  order = new Uint32Array(0);
  /** One entry more than there are records: the last is the end of the last record. */
  offsets = new Uint32Array(1);
  bucketEnds = new Uint32Array(0);
  /** Records left by `deduplicate`. */
  uniqueCount = 0;

  /** Makes room for `count` records; the previous content is lost. */
  reset(parts: readonly Uint8Array[], count: number): void {
    this.parts = parts;
    this.count = count;
    this.uniqueCount = 0;
    if (this.h1.length >= count) return;
    const room = Math.ceil(count * 1.125);
    this.h1 = new Int32Array(room);
    this.h2 = new Int32Array(room);
    this.part = new Uint32Array(room);
    this.start = new Uint32Array(room);
    this.length = new Uint32Array(room);
    this.order = new Uint32Array(room);
    this.offsets = new Uint32Array(room + 1);
    this.bucketEnds = new Uint32Array(sortBucketCount(room));
  }

  /** Frees the memory at once. */
  release(): void {
    const { bucketEnds, h1, h2, length, offsets, order, part, start } = this;
    freeMemory([h1, h2, part, start, length, order, offsets, bucketEnds]);
    this.h1 = new Int32Array(0);
  }
}

/**
 * Fills the table with the records of `parts`, calling `throttle` between them. Throws CORRUPT if a
 * part is not a sequence of records.
 */
export function scanParts(
  table: RecordTable,
  parts: readonly Uint8Array[],
  seed1: number,
  seed2: number,
  throttle?: () => void,
): void {
  table.reset(parts, countRecords(parts));
  let record = 0;
  for (let part = 0; part < parts.length; part++) {
    record = scanPart(table, part, parts[part] as Uint8Array, record, seed1, seed2);
    throttle?.();
  }
}

function scanPart(
  table: RecordTable,
  part: number,
  bytes: Uint8Array,
  record: number,
  seed1: number,
  seed2: number,
): number {
  const bounds = newRecordBounds();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { h1, h2, part: parts, start, length } = table;
  for (let at = 0; at < bytes.length; at = bounds.end, record++) {
    decodeRecord(bytes, at, bytes.length, bounds);
    h1[record] = hashKeyAt(view, bounds.keyStart, bounds.valueStart, seed1, seed2);
    h2[record] = lastHash2();
    parts[record] = part;
    start[record] = at;
    length[record] = bounds.end - at;
  }
  return record;
}

/** Counts the records. This costs 3 % of a build, and avoids growing seven arrays by copying. */
function countRecords(parts: readonly Uint8Array[]): number {
  const bounds = newRecordBounds();
  let count = 0;
  parts.forEach((bytes, part) => {
    for (let at = 0; at < bytes.length; at = bounds.end, count++) {
      if (!decodeRecord(bytes, at, bytes.length, bounds)) {
        throw new SteleError(
          'CORRUPT',
          `Part ${part} of the input has no valid record at offset ${at}; make it again.`,
        );
      }
    }
  });
  return count;
}

/** Sorts `table.order` by (h1, h2, key), equal keys in input order. */
export function sortRecords(table: RecordTable): void {
  const { count, h1, order, bucketEnds } = table;
  const buckets = sortBucketCount(count);
  bucketEnds.fill(0, 0, buckets);
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(h1[i] as number, buckets);
    bucketEnds[bucket] = (bucketEnds[bucket] as number) + 1;
  }
  let sum = 0;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const size = bucketEnds[bucket] as number;
    bucketEnds[bucket] = sum;
    sum += size;
  }
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(h1[i] as number, buckets);
    const place = bucketEnds[bucket] as number;
    order[place] = i;
    bucketEnds[bucket] = place + 1;
  }
  for (let bucket = 0, from = 0; bucket < buckets; bucket++) {
    const to = bucketEnds[bucket] as number;
    sortBucket(table, from, to);
    from = to;
  }
}

function sortBucketCount(recordCount: number): number {
  return Math.min(SORT_BUCKETS_MAX, (recordCount >>> 2) + 1);
}

function sortBucket(table: RecordTable, from: number, to: number): void {
  const order = table.order;
  if (to - from > INSERTION_SORT_MAX) {
    order.subarray(from, to).sort((i, j) => compareRecords(table, i, j) || i - j);
    return;
  }
  for (let place = from + 1; place < to; place++) {
    const record = order[place] as number;
    let gap = place;
    for (; gap > from; gap--) {
      const before = order[gap - 1] as number;
      if (compareRecords(table, before, record) <= 0) break;
      order[gap] = before;
    }
    order[gap] = record;
  }
}

/**
 * Negative, 0 (the same key) or positive, by (h1, h2, key bytes), the hashes as unsigned numbers.
 */
function compareRecords(table: RecordTable, i: number, j: number): number {
  const a1 = table.h1[i] as number;
  const b1 = table.h1[j] as number;
  if (a1 !== b1) return a1 >>> 0 < b1 >>> 0 ? -1 : 1;
  const a2 = table.h2[i] as number;
  const b2 = table.h2[j] as number;
  if (a2 !== b2) return a2 >>> 0 < b2 >>> 0 ? -1 : 1;
  return compareKeys(table, i, j);
}

const boundsA = newRecordBounds();
const boundsB = newRecordBounds();

function compareKeys(table: RecordTable, i: number, j: number): number {
  const a = locate(table, i, boundsA);
  const b = locate(table, j, boundsB);
  const { keyStart, valueStart } = boundsA;
  return compareBytes(a, keyStart, valueStart, b, boundsB.keyStart, boundsB.valueStart);
}

function hasSameValue(table: RecordTable, i: number, j: number): boolean {
  const a = locate(table, i, boundsA);
  const b = locate(table, j, boundsB);
  const { valueStart, end } = boundsA;
  return compareBytes(a, valueStart, end, b, boundsB.valueStart, boundsB.end) === 0;
}

/** Sets `bounds` to those of record `i` in its part, and returns the part. */
function locate(table: RecordTable, i: number, bounds: RecordBounds): Uint8Array {
  const part = table.parts[table.part[i] as number] as Uint8Array;
  decodeRecord(part, table.start[i] as number, part.length, bounds);
  return part;
}

/**
 * Compares like memcmp, then by length. A loop, because Buffer.compare would need two Buffers per
 * duplicate row.
 */
function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const common = Math.min(aEnd - aStart, bEnd - bStart);
  for (let at = 0; at < common; at++) {
    const difference = (a[aStart + at] as number) - (b[bStart + at] as number);
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

/**
 * Keeps one record per key in `table.order`, and assigns consecutive places to them in
 * `table.offsets`. Throws LOAD_REJECTED if they do not fit in one segment.
 */
export function deduplicate(table: RecordTable, rule: ConflictRule): Deduplication {
  const found = { overruled: 0, conflictCount: 0, conflicts: [] };
  table.uniqueCount = keepOnePerKey(table, rule, found);
  layOut(table);
  return { duplicates: table.count - table.uniqueCount - found.conflictCount, ...found };
}

/**
 * Moves the records to keep to the front of `table.order` and returns their number. The function
 * contains only the loop: if a loop is compiled while it runs, the code after it has no type
 * feedback yet, and the compiled loop would be left there each time.
 */
function keepOnePerKey(
  table: RecordTable,
  rule: ConflictRule,
  found: { overruled: number; conflictCount: number; readonly conflicts: Conflict[] },
): number {
  const { order, count } = table;
  let kept = 0;
  for (let place = 0; place < count; place++) {
    const record = order[place] as number;
    if (kept === 0 || compareRecords(table, order[kept - 1] as number, record) !== 0) {
      order[kept++] = record;
    } else if (hasSameValue(table, order[kept - 1] as number, record)) {
      // The same pair again: either may stay.
    } else if (rule !== 'error') {
      found.overruled++;
      if (rule === 'last') order[kept - 1] = record;
    } else {
      found.conflictCount++;
      noteConflict(found.conflicts, {
        first: placeOf(table, order[kept - 1] as number),
        second: placeOf(table, record),
      });
    }
  }
  return kept;
}

/**
 * Inserts the conflict in input order, if the list is not full or ends with a later one, which is
 * then dropped.
 */
function noteConflict(conflicts: Conflict[], conflict: Conflict): void {
  let at = conflicts.length;
  while (at > 0 && isEarlier(conflict.second, (conflicts[at - 1] as Conflict).second)) at--;
  if (at === CONFLICTS_LISTED_MAX) return;
  conflicts.splice(at, 0, conflict);
  conflicts.length = Math.min(conflicts.length, CONFLICTS_LISTED_MAX);
}

function isEarlier(one: RecordPlace, other: RecordPlace): boolean {
  return one.part < other.part || (one.part === other.part && one.offset < other.offset);
}

function placeOf(table: RecordTable, i: number): RecordPlace {
  return { part: table.part[i] as number, offset: table.start[i] as number };
}

function layOut(table: RecordTable): void {
  const { order, offsets, length, uniqueCount } = table;
  let end = 0;
  for (let place = 0; place < uniqueCount; place++) {
    offsets[place] = end;
    end += length[order[place] as number] as number;
  }
  if (end > SEGMENT_BYTES_MAX) {
    throw new SteleError(
      'LOAD_REJECTED',
      `One shard would hold ${end} bytes, over the ${SEGMENT_BYTES_MAX} of a segment; use a cluster with more shards.`,
    );
  }
  offsets[uniqueCount] = end;
}
