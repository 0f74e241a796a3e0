// Looks for a record of a segment on disk in the cache.
//
// Hot: plain functions over numbers and Buffers; nothing is allocated.

import { corruptAt } from '../../segment/header.ts';
import { readInt32 } from '../../segment/hash.ts';
import { foundPlace } from '../../segment/place.ts';
import { decodeRecord, newRecordBounds } from '../../segment/record.ts';
import type { KeyspaceReads } from '../read-stats/keyspace-reads.ts';
import type { DiskSegment } from '../disk/disk-segment.ts';
import { cached } from '../disk/record-cache.ts';
import type { RecordCache } from '../disk/record-cache.ts';

/** The bounds of the record that was found last, in `cached.bytes`. */
export const cachedBounds = newRecordBounds();

/**
 * Whether the record at `foundPlace` has the key `key[start, end)`, if the cache has it; then it is
 * counted, and `cached` and `cachedBounds` say where it is. Undefined if the cache does not have it.
 * Throws CORRUPT.
 */
export function isCachedKey(
  cache: RecordCache,
  segment: DiskSegment,
  key: Uint8Array,
  start: number,
  end: number,
  reads: KeyspaceReads,
): boolean | undefined {
  if (!cache.find(segment.number, foundPlace.start)) return undefined;
  reads.diskCacheHits++;
  const recordEnd = cached.start + foundPlace.end - foundPlace.start;
  if (!decodeRecord(cached.bytes, cached.start, recordEnd, cachedBounds)) {
    throw corruptAt('there is no record at offset %d', foundPlace.start);
  }
  const { valueStart } = cachedBounds;
  let at = cachedBounds.keyStart;
  if (valueStart - at !== end - start) return false;
  const { bytes, view } = cached;
  for (; start + 4 <= end; start += 4, at += 4) {
    if (view.getInt32(at, true) !== readInt32(key, start)) return false;
  }
  for (; start < end; start++, at++) if (bytes[at] !== key[start]) return false;
  return true;
}
