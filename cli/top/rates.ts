// Rates from two samples of counters. Pure.
//
// A process that has started again in between counts from 0, so it has no rates until the next
// sample.

import { latencyQuantileMs } from '../../base/process/latency.ts';
import type { ReadCounters } from '../../proto/gen/stele/v1/counters.ts';
import type { GetReadCountersResponse, NodeSummary } from '../../proto/gen/stele/v1/cluster.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import { nodeStateWord } from '../../proto/view-words.ts';

/** What was counted at one moment. */
export interface Sample {
  readonly atMs: number;
  readonly counters: GetReadCountersResponse;
  readonly nodes: readonly NodeSummary[];
}

/** Of the keys read between two samples; undefined where that is not known. */
export interface Rates {
  readonly readsPerSecond: number | undefined;
  /** The share of the keys that were found, 0 to 1. */
  readonly hitRatio: number | undefined;
  readonly failuresPerSecond: number | undefined;
  readonly valueBytesPerSecond: number | undefined;
  /** Keys per second that a master answered from its cache. */
  readonly cacheHitsPerSecond: number | undefined;
  /** The share of the records on disk that the caches of datanodes had, 0 to 1. */
  readonly diskCacheRatio: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

export interface NodeRates extends Rates {
  readonly name: string;
  readonly state: string;
  readonly residentBytes: number;
  readonly segmentBytes: number;
  readonly memoryLimitBytes: number;
}

export interface KeyspaceRates extends Rates {
  readonly name: string;
}

export interface TopReport {
  readonly spanMs: number;
  /** The process that was asked: a master or a query node. */
  readonly front: Rates;
  readonly nodes: readonly NodeRates[];
  readonly keyspaces: readonly KeyspaceRates[];
}

export function reportOf(before: Sample, now: Sample): TopReport {
  const spanMs = now.atMs - before.atMs;
  const pairs = pairsOf(before, now);
  return {
    spanMs,
    front: ratesOf(before.counters.own, now.counters.own, spanMs),
    nodes: now.nodes.map((summary) => {
      const id = summary.node?.id ?? '';
      const pair = pairs.get(id);
      return {
        name: id,
        state: nodeStateWord(summary.node?.state ?? NodeState.UNSPECIFIED).toLowerCase(),
        residentBytes: summary.residentBytes,
        segmentBytes: summary.segmentBytes,
        memoryLimitBytes: summary.memoryLimitBytes,
        ...ratesOf(pair?.before, pair?.now, spanMs),
      };
    }),
    keyspaces: keyspaceRates(
      [...pairs.values(), { before: before.counters.own, now: now.counters.own }],
      spanMs,
    ),
  };
}

interface Pair {
  readonly before: ReadCounters | undefined;
  readonly now: ReadCounters | undefined;
}

/** The counters of each datanode in both samples, of one run of its process. */
function pairsOf(before: Sample, now: Sample): Map<string, Pair> {
  const earlier = new Map(before.counters.nodes.map((node) => [node.nodeId, node]));
  return new Map(
    now.counters.nodes.map(({ counters, incarnation, nodeId }) => {
      const known = earlier.get(nodeId);
      const isSame = known?.incarnation === incarnation;
      return [nodeId, { before: isSame ? known.counters : undefined, now: counters }];
    }),
  );
}

const UNKNOWN: Rates = {
  readsPerSecond: undefined,
  hitRatio: undefined,
  failuresPerSecond: undefined,
  valueBytesPerSecond: undefined,
  cacheHitsPerSecond: undefined,
  diskCacheRatio: undefined,
  p50Ms: undefined,
  p99Ms: undefined,
};

function ratesOf(
  before: ReadCounters | undefined,
  now: ReadCounters | undefined,
  spanMs: number,
): Rates {
  if (before === undefined || now === undefined || spanMs <= 0) return UNKNOWN;
  const found = now.found - before.found;
  const read = found + now.notFound - before.notFound;
  const perSecond = (count: number): number => Math.max(0, (count * 1000) / spanMs);
  const latency = now.latency.map((count, at) => Math.max(0, count - (before.latency[at] ?? 0)));
  const isAny = latency.some((count) => count > 0);
  return {
    readsPerSecond: perSecond(read + now.failed - before.failed),
    hitRatio: read > 0 ? Math.min(1, Math.max(0, found / read)) : undefined,
    failuresPerSecond: perSecond(now.failed - before.failed),
    valueBytesPerSecond: perSecond(now.valueBytes - before.valueBytes),
    cacheHitsPerSecond: perSecond(now.cacheHits - before.cacheHits),
    diskCacheRatio: undefined,
    p50Ms: isAny ? latencyQuantileMs(latency, 0.5) : undefined,
    p99Ms: isAny ? latencyQuantileMs(latency, 0.99) : undefined,
  };
}

type Disk = 'diskCacheHits' | 'diskCacheMisses';

/** By name: what all datanodes together and the process asked have read. */
function keyspaceRates(pairs: readonly Pair[], spanMs: number): KeyspaceRates[] {
  const totals = new Map<string, Record<'found' | 'notFound' | 'bytes' | 'hits' | Disk, number>>();
  for (const { before, now } of pairs) {
    if (before === undefined || now === undefined) continue;
    const earlier = new Map(before.keyspaces.map((reads) => [reads.keyspace, reads]));
    for (const reads of now.keyspaces) {
      if (reads.keyspace === '') continue;
      const known = earlier.get(reads.keyspace);
      const total = totals.get(reads.keyspace) ?? {
        found: 0,
        notFound: 0,
        bytes: 0,
        hits: 0,
        diskCacheHits: 0,
        diskCacheMisses: 0,
      };
      for (const count of ['diskCacheHits', 'diskCacheMisses'] as const) {
        total[count] += Math.max(0, (reads[count] ?? 0) - (known?.[count] ?? 0));
      }
      total.found += Math.max(0, reads.found - (known?.found ?? 0));
      total.notFound += Math.max(0, reads.notFound - (known?.notFound ?? 0));
      total.bytes += Math.max(0, reads.valueBytes - (known?.valueBytes ?? 0));
      total.hits += Math.max(0, reads.cacheHits - (known?.cacheHits ?? 0));
      totals.set(reads.keyspace, total);
    }
  }
  const perSecond = (count: number): number => (count * 1000) / spanMs;
  return [...totals]
    .map(([name, { bytes, diskCacheHits, diskCacheMisses, found, hits, notFound }]) => {
      const onDisk = diskCacheHits + diskCacheMisses;
      const read = found + notFound + hits;
      return {
        ...UNKNOWN,
        name,
        readsPerSecond: perSecond(read),
        hitRatio: read > 0 ? (found + hits) / read : undefined,
        valueBytesPerSecond: perSecond(bytes),
        cacheHitsPerSecond: perSecond(hits),
        diskCacheRatio: onDisk > 0 ? diskCacheHits / onDisk : undefined,
      };
    })
    .sort((left, right) => left.name.localeCompare(right.name));
}
