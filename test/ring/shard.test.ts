import { describe, expect, it } from 'vitest';
import { SLOT_COUNT } from '../../base/limits.ts';
import { shardOfSlot, slotRangeOfShard } from '../../ring/shard.ts';

describe('shards', () => {
  it.each([1, 2, 128, 1024, 4096])('cuts all slots into %i equal, contiguous ranges', (count) => {
    let next = 0;
    for (let shard = 0; shard < count; shard++) {
      const { first, last } = slotRangeOfShard(shard, count);
      expect(first).toBe(next);
      expect(last - first + 1).toBe(SLOT_COUNT / count);
      for (let slot = first; slot <= last; slot++) {
        if (shardOfSlot(slot, count) !== shard) throw new Error(`slot ${slot} is astray`);
      }
      next = last + 1;
    }
    expect(next).toBe(SLOT_COUNT);
  });
});
