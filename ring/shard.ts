// Slot <-> shard. The cluster's S shards (S a power of two, the same for every keyspace) cut the
// 16384 slots into S equal, contiguous ranges, so both directions are simple arithmetic:
//
//     slot   0 ......... 127 | 128 ....... 255 | ... | 16256 ..... 16383
//     shard        0         |        1        | ... |        127            (S = 128)

import { SLOT_COUNT } from '../base/limits.ts';

/** Both ends are inclusive, as in Redis' CLUSTER SLOTS. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

/** The shard of a slot. Hot path: `shardCount` must have passed `assertShardCount` before. */
export function shardOfSlot(slot: number, shardCount: number): number {
  return Math.floor((slot * shardCount) / SLOT_COUNT);
}

/** The slots of a shard. */
export function slotRangeOfShard(shard: number, shardCount: number): SlotRange {
  const slotsPerShard = SLOT_COUNT / shardCount;
  return { first: shard * slotsPerShard, last: (shard + 1) * slotsPerShard - 1 };
}
