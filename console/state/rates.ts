// Rates and percentiles from counts that only grow: what happened between two looks.

import type { Health, Stats } from '../api/shapes.ts';

export interface Look {
  /** Of this page's clock. */
  readonly atMs: number;
  readonly stats: Stats;
  readonly health: Health | undefined;
  /** When `health` came. */
  readonly healthAtMs: number;
}

/** What happened between two looks, per second; null where nothing is known or was read. */
export interface Sample {
  readonly atMs: number;
  readonly readsPerSecond: number | null;
  readonly failedPerSecond: number | null;
  /** Keys that datanodes have looked up, for this master and for all other readers. */
  readonly lookupsPerSecond: number | null;
  readonly bytesInPerSecond: number | null;
  readonly bytesOutPerSecond: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** 0 to 1. */
  readonly hitRatio: number | null;
  readonly memoryBytes: number | null;
}

const FIRST_BOUND_MS = 0.05;
const BUCKETS_PER_DOUBLING = 4;
/** Two processes whose start differs by less are the same one. */
const SAME_START_MS = 3000;

/**
 * `older` is a look some seconds ago: datanodes report what they have looked up with their
 * heartbeats, so that a short time says little about it.
 */
export function sampleBetween(before: Look, now: Look, older = before): Sample {
  const memoryBytes = sumOf(now.health, (node) => node.resident_bytes);
  const seconds = (now.stats.uptime_ms - before.stats.uptime_ms) / 1000;
  if (seconds <= 0 || !isSameProcess(before, now))
    return { ...NOTHING, atMs: now.atMs, memoryBytes };
  const perSecond = (count: (stats: Stats) => number): number =>
    (count(now.stats) - count(before.stats)) / seconds;
  const earlier = before.stats.reads.latency;
  const counts = now.stats.reads.latency.map((count, at) => count - (earlier[at] ?? 0));
  return {
    atMs: now.atMs,
    readsPerSecond: perSecond(readsOf),
    failedPerSecond: perSecond(({ reads }) => reads.failed),
    lookupsPerSecond: lookupsPerSecond(older, now),
    bytesInPerSecond: perSecond(({ traffic }) => traffic.reduce((sum, t) => sum + t.bytes_in, 0)),
    bytesOutPerSecond: perSecond(({ traffic }) => traffic.reduce((sum, t) => sum + t.bytes_out, 0)),
    p50Ms: percentile(counts, 0.5),
    p99Ms: percentile(counts, 0.99),
    hitRatio: hitRatio(before.stats, now.stats),
    memoryBytes,
  };
}

const NOTHING: Omit<Sample, 'atMs' | 'memoryBytes'> = {
  readsPerSecond: null,
  failedPerSecond: null,
  lookupsPerSecond: null,
  bytesInPerSecond: null,
  bytesOutPerSecond: null,
  p50Ms: null,
  p99Ms: null,
  hitRatio: null,
};

function readsOf({ reads }: Stats): number {
  return reads.failed + reads.found + reads.not_found;
}

/** False after a restart, and where a load balancer has asked another process. */
function isSameProcess(before: Look, now: Look): boolean {
  const ofClock = now.atMs - before.atMs;
  const ofProcess = now.stats.uptime_ms - before.stats.uptime_ms;
  return Math.abs(ofClock - ofProcess) < SAME_START_MS;
}

function hitRatio(before: Stats, now: Stats): number | null {
  const hits = now.cache.hits - before.cache.hits;
  const all = hits + now.cache.misses - before.cache.misses;
  return all > 0 ? hits / all : null;
}

/** Keys a second by datanode. One that was started again counts from 0, and has no rate then. */
export function lookupRates(before: Look, now: Look): ReadonlyMap<string, number> {
  const rates = new Map<string, number>();
  const seconds = (now.healthAtMs - before.healthAtMs) / 1000;
  if (seconds <= 0) return rates;
  const earlier = new Map(before.health?.nodes.map((node) => [node.id, node.lookups_total]));
  for (const { id, lookups_total: total } of now.health?.nodes ?? []) {
    const from = earlier.get(id) ?? null;
    if (total !== null && from !== null && total >= from) rates.set(id, (total - from) / seconds);
  }
  return rates;
}

function lookupsPerSecond(before: Look, now: Look): number | null {
  const rates = [...lookupRates(before, now).values()];
  return rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0);
}

export function sumOf(
  health: Health | undefined,
  value: (node: Health['nodes'][number]) => number | null,
): number | null {
  const known = (health?.nodes ?? []).map(value).filter((one) => one !== null);
  return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0);
}

/**
 * The `share` (0 to 1) of samples lies below it; within a bucket they are taken to lie evenly. Null
 * without samples. `counts` are by bucket, as in `Stats`.
 */
export function percentile(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total <= 0) return null;
  let left = total * share;
  let floor = 0;
  for (const [at, count] of counts.entries()) {
    const bound = FIRST_BOUND_MS * 2 ** (at / BUCKETS_PER_DOUBLING);
    if (count > 0 && left <= count) return floor + ((bound - floor) * left) / count;
    left -= count;
    floor = bound;
  }
  return floor;
}
