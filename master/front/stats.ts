// What this process has read for its clients since its start, as plain counts: GET /v1/stats. A caller that
// asks twice gets rates and percentiles of the time between.

import { LatencyHistogram, exportedBoundsMs } from '../../base/process/latency.ts';
import { STELE_VERSION } from '../../base/process/build-version.ts';
import type { Traffic } from './http/http-traffic.ts';
import type { LookupCore } from './lookup/lookup-core.ts';
import type { FrontMetrics, FrontRole } from './metrics.ts';

const PROTOCOLS = ['http', 'resp', 'grpc'] as const;

export interface StatsSources {
  readonly role: FrontRole;
  readonly core: LookupCore;
  readonly metrics: FrontMetrics;
  readonly cacheBytesMax: number;
  readonly traffic: () => { readonly http: Traffic; readonly resp: Traffic };
  readonly uptimeMs: () => number;
}

/** The counts of this moment, as JSON. */
export function statsJson(sources: StatsSources): object {
  const { cacheBytesMax, core, metrics, role, traffic, uptimeMs } = sources;
  const { cache, dispatcher } = core;
  const { http, resp } = traffic();
  return {
    role,
    version: STELE_VERSION,
    uptime_ms: Math.round(uptimeMs()),
    resident_bytes: process.memoryUsage.rss(),
    reads: PROTOCOLS.map((protocol) => {
      const { failed, found, notFound } = metrics[protocol];
      return { protocol, found, not_found: notFound, failed };
    }),
    read_times: {
      bounds_ms: exportedBoundsMs.map((bound) => Number(bound.toPrecision(6))),
      counts: bucketCounts(PROTOCOLS.map((protocol) => metrics[protocol].latency)),
    },
    keys: core.keysTotal,
    cache: {
      hits: cache.hits,
      misses: cache.misses,
      entries: cache.entryCount,
      bytes: cache.byteLength,
      bytes_max: cacheBytesMax,
    },
    retries: dispatcher.retries,
    hedges: dispatcher.hedges,
    unavailable: dispatcher.unavailable,
    traffic: [trafficJson('http', http), trafficJson('resp', resp)],
    nodes: [...core.router.nodes()].map(({ id, inFlight, latencyMs }) => ({
      id,
      in_flight: inFlight,
      latency_ms: Number(latencyMs.toPrecision(4)),
    })),
  };
}

/** Samples by bucket, all histograms together; the last count is that of everything above the bounds. */
function bucketCounts(histograms: readonly LatencyHistogram[]): number[] {
  const upTo = (bound: number): number =>
    histograms.reduce((sum, histogram) => sum + histogram.countUpTo(bound), 0);
  const total = histograms.reduce((sum, histogram) => sum + histogram.total, 0);
  const cumulative = [...exportedBoundsMs.map(upTo), total];
  return cumulative.map((count, index) => count - (cumulative[index - 1] ?? 0));
}

function trafficJson(protocol: string, { bytesIn, bytesOut, connections }: Traffic): object {
  return { protocol, connections, bytes_in: bytesIn, bytes_out: bytesOut };
}
