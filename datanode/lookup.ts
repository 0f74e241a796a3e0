// Answering keys from the segments held: the data path of a datanode, in one step from memory.
//
//   key -> slot -> shard -> segments of the version, newest first -> record
//
// Hot: plain functions over numbers and Buffers; nothing is allocated for a key. The outcome is a
// LookupStatus; where it is OK, `found` says in which segment's bytes the value lies. `found` is
// one object for the whole process and holds until the next call.

import { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import { shardOfSlot } from '../ring/shard.ts';
import { slotOfKey } from '../ring/slot.ts';
import { findRecord, valueEnd, valueStart } from '../segment/reader.ts';
import type { VersionTable } from './version-tables.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Where the value of the last key answered OK is. */
export const found = { bytes: NO_BYTES, start: 0, end: 0 };

/**
 * Looks key[start, end) up in one version. NOT_FOUND only where this node holds all of the shard's
 * segments; UNAVAILABLE where it does not.
 */
export function lookupInTable(
  table: VersionTable,
  key: Uint8Array,
  start: number,
  end: number,
): LookupStatus {
  return lookupInShard(
    table,
    shardOfSlot(slotOfKey(key, start, end), table.shards.length),
    key,
    start,
    end,
  );
}

/** The same for a caller that knows the key's shard already. */
export function lookupInShard(
  table: VersionTable,
  shard: number,
  key: Uint8Array,
  start: number,
  end: number,
): LookupStatus {
  const segments = table.shards[shard];
  if (segments === undefined) return LookupStatus.UNAVAILABLE;
  for (const segment of segments) {
    const record = findRecord(segment, key, start, end);
    if (record < 0) continue;
    found.bytes = segment.bytes;
    found.start = valueStart(segment, record);
    found.end = valueEnd(segment, record);
    return LookupStatus.OK;
  }
  return LookupStatus.NOT_FOUND;
}
