import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { SLOT_COUNT } from '../../base/limits.ts';
import { assertShardCount, shardOfSlot, slotRangeOfShard } from '../../ring/shard.ts';

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

  it.each([0, -1, 3, 1.5, 100, 8192, NaN, Infinity])('refuses %d shards', (count) => {
    const attempt = (): void => assertShardCount(count);
    expect(attempt).toThrow(SteleError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it.each([1, 2, 64, 4096])('takes %d shards', (count) => {
    expect(() => assertShardCount(count)).not.toThrow();
  });
});
