import { expect, test } from 'vitest';
import type { Look } from '../../../console/state/rates.ts';
import { lookupRates, percentile, sampleBetween } from '../../../console/state/rates.ts';
import { HEALTH, NODE, STATS } from '../samples.ts';

const BEFORE: Look = { atMs: 1000, stats: STATS, health: HEALTH, healthAtMs: 900 };

function after(stats: Partial<typeof STATS>, lookups = 100): Look {
  const nodes = [{ ...NODE, lookups_total: lookups }, ...HEALTH.nodes.slice(1)];
  return {
    atMs: 3000,
    stats: { ...STATS, uptime_ms: 12_000, ...stats },
    health: { ...HEALTH, nodes },
    healthAtMs: 2900,
  };
}

test('counts become rates of the time between two looks', () => {
  const now = after(
    {
      reads: { found: 30, not_found: 5, failed: 4, latency: [15, 0, 0, 0, 15, 0, 0, 0, 5] },
      cache: { ...STATS.cache, hits: 11, misses: 12 },
      traffic: [{ protocol: 'http', connections: 1, bytes_in: 300, bytes_out: 5000 }],
    },
    700,
  );
  expect(sampleBetween(BEFORE, now)).toEqual({
    atMs: 3000,
    readsPerSecond: 12,
    failedPerSecond: 2,
    lookupsPerSecond: 300,
    bytesInPerSecond: 100,
    bytesOutPerSecond: 2000,
    p50Ms: 0.05,
    p99Ms: expect.closeTo(0.0997, 3),
    hitRatio: 0.75,
    memoryBytes: 6000,
  });
});

test('nothing is made up where nothing was read', () => {
  expect(sampleBetween(BEFORE, after({}))).toMatchObject({
    readsPerSecond: 0,
    p50Ms: null,
    p99Ms: null,
    hitRatio: null,
  });
});

test('a process that was started again, or another one, gives no rates', () => {
  for (const uptime of [500, 999_000]) {
    expect(sampleBetween(BEFORE, after({ uptime_ms: uptime }))).toMatchObject({
      readsPerSecond: null,
      lookupsPerSecond: null,
      memoryBytes: 6000,
    });
  }
});

test('a datanode that was started again has no rate, and the others keep theirs', () => {
  expect([...lookupRates(BEFORE, after({}, 3))]).toEqual([
    ['node-1', 0],
    ['node-2', 0],
  ]);
});

test('percentiles lie within their bucket', () => {
  // 0.1 to 0.2 ms is divided into four buckets.
  const one = [0, 0, 0, 0, 0, 0, 0, 0, 10];
  expect(percentile(one, 1)).toBeCloseTo(0.2);
  expect(percentile(one, 0.5)).toBeCloseTo((0.2 + 0.1 * 2 ** 0.75) / 2);
  expect(percentile([0, 0], 0.5)).toBeNull();
});
