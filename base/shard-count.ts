// The limits on a cluster's number of shards.

import { SteleError } from './errors.ts';
import { SHARD_COUNT_MAX } from './limits.ts';

/** Throws INVALID_ARGUMENT unless `shardCount` is a power of two, 1 .. SHARD_COUNT_MAX. */
export function assertShardCount(shardCount: number): void {
  if (isPowerOfTwo(shardCount) && shardCount <= SHARD_COUNT_MAX) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `${shardCount} is not a number of shards: use a power of two from 1 to ${SHARD_COUNT_MAX}.`,
  );
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && Math.log2(value) % 1 === 0;
}
