// What this process has read for its clients since its start, as plain counts: GET /v1/stats. A
// caller that asks twice gets rates and percentiles of the time between. It asks no datanode, so it
// may be polled.

import { STELE_VERSION } from '../../base/process/build-version.ts';
import type { Traffic } from '../../base/process/http-traffic.ts';
import type { LookupCore } from './lookup/lookup-core.ts';
import type { FrontMetrics, FrontRole } from './metrics.ts';

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
  const { failed, found, latency, notFound } = metrics.reads(core);
  return {
    role,
    version: STELE_VERSION,
    uptime_ms: Math.round(uptimeMs()),
    resident_bytes: process.memoryUsage.rss(),
    reads: { found, not_found: notFound, failed, latency: [...latency] },
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

function trafficJson(protocol: string, { bytesIn, bytesOut, connections }: Traffic): object {
  return { protocol, connections, bytes_in: bytesIn, bytes_out: bytesOut };
}
