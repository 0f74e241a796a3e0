import type { GetCostResponse } from '../../../proto/gen/stele/v1/cluster.ts';
import { Tier } from '../../../proto/gen/stele/v1/view.ts';

/** 1,000 keys of 10 + 100 bytes in the memory tier, in two copies of two versions. */
export const COST: GetCostResponse = {
  version: 2,
  records: 1000,
  keyBytes: 10_000,
  valueBytes: 100_000,
  tier: Tier.MEMORY,
  suspended: false,
  replication: 2,
  versionsKept: 2,
  tiers: [
    {
      tier: Tier.MEMORY,
      memoryBytes: 512 * 1024,
      diskBytes: 512 * 1024,
      memoryBytesPerRecord: 118.25,
      diskBytesPerRecord: 118.25,
    },
    {
      tier: Tier.DISK,
      memoryBytes: 24 * 1024,
      diskBytes: 512 * 1024,
      memoryBytesPerRecord: 5.514,
      diskBytesPerRecord: 118.25,
    },
  ],
  changes: [
    { change: 'tier disk', memoryBytes: 488 * 1024, diskBytes: 0 },
    { change: 'replication 1', memoryBytes: 256 * 1024, diskBytes: 256 * 1024 },
  ],
  sampled: 500,
  keySizes: { p50: 10, p90: 10, p99: 10, largest: 10 },
  valueSizes: { p50: 90, p90: 150, p99: 190, largest: 200 },
  readsPerSecond: 1234.5,
  hitRatio: 0.875,
  unanswered: [],
};
