// Answers keys from the segments held: the data path of a datanode, in one step from memory.
//
//   key -> slot -> shard -> segment of the version, or its base with deltas, newest first -> record
//
// Hot: plain functions over numbers and Buffers; nothing is allocated per key. The outcome is a
// LookupStatus; if it is OK, `lastHit` says where the value lies. `lastHit` is one object for the
// whole process, valid until the next call.

import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { hashKey, lastHash2 } from '../../segment/hash.ts';
import { findHashedRecord, recordBounds } from '../../segment/reader.ts';
import type { VersionTable } from '../storage/version-tables.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Where the value of the last key answered OK lies. `view` covers the same memory as `bytes`. */
export const lastHit = { bytes: NO_BYTES, view: new DataView(NO_BYTES.buffer), start: 0, end: 0 };

/** Sets `lastHit` to the value `bytes[start, end)`. */
export function setLastHit(bytes: Buffer, view: DataView, start: number, end: number): void {
  lastHit.bytes = bytes;
  lastHit.view = view;
  lastHit.start = start;
  lastHit.end = end;
}

/** Releases the segment of the last hit, which may have been dropped since. */
export function releaseLastHit(): void {
  lastHit.bytes = NO_BYTES;
  lastHit.view = new DataView(NO_BYTES.buffer);
  lastHit.start = lastHit.end = 0;
}

/**
 * Looks up key[start, end), which belongs to `shard`, in one version. NOT_FOUND only if this node
 * holds all of the shard's segments in memory; otherwise UNAVAILABLE.
 */
export function lookupInShard(
  table: VersionTable,
  shard: number,
  key: Uint8Array,
  start: number,
  end: number,
): LookupStatus {
  const newest = table.shards[shard]?.[0];
  if (newest === undefined) return lookupHashed(table, shard, key, start, end, 0, 0);
  const h1 = hashKey(key, start, end, newest.seed1, newest.seed2);
  return lookupHashed(table, shard, key, start, end, h1, lastHash2());
}

/**
 * Like `lookupInShard`, for a caller that also knows the key's hash; all segments of a keyspace
 * share the seeds.
 */
export function lookupHashed(
  table: VersionTable,
  shard: number,
  key: Uint8Array,
  start: number,
  end: number,
  h1: number,
  h2: number,
): LookupStatus {
  const segments = table.shards[shard];
  if (segments === undefined) return LookupStatus.UNAVAILABLE;
  for (const segment of segments) {
    const record = findHashedRecord(segment, key, start, end, h1, h2);
    if (record < 0) continue;
    const bounds = recordBounds(segment, record);
    lastHit.bytes = segment.bytes;
    lastHit.view = segment.view;
    lastHit.start = bounds.valueStart;
    lastHit.end = bounds.end;
    noteHit(table, key, start, end, bounds.end - bounds.valueStart);
    return LookupStatus.OK;
  }
  noteMiss(table, key, start, end);
  return LookupStatus.NOT_FOUND;
}

/** Counts a key that is in the version, with a value of `valueBytes`. */
export function noteHit(
  { reads }: VersionTable,
  key: Uint8Array,
  start: number,
  end: number,
  valueBytes: number,
): void {
  reads.hits++;
  reads.valueBytes += valueBytes;
  if (--reads.untilSample === 0) reads.sample(key, start, end, valueBytes);
}

/** Counts a key that is not in the version. */
export function noteMiss(
  { reads }: VersionTable,
  key: Uint8Array,
  start: number,
  end: number,
): void {
  reads.misses++;
  if (--reads.untilSample === 0) reads.sample(key, start, end, undefined);
}
