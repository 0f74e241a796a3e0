import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { assertShardCount } from '../../base/shard-count.ts';

describe('a number of shards', () => {
  it.each([0, -1, 3, 1.5, 100, 8192, NaN, Infinity])('refuses %d shards', (count) => {
    const attempt = (): void => assertShardCount(count);
    expect(attempt).toThrow(SteleError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it.each([1, 2, 64, 4096])('takes %d shards', (count) => {
    expect(() => assertShardCount(count)).not.toThrow();
  });
});
