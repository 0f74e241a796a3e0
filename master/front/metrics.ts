// The front's counters, for /metrics. Hot paths only add to plain numbers: at 50,000 requests a
// second, label maps would be too slow.

import { defineAuditMetrics } from '../../access/audit/audit-report.ts';
import type { Audit } from '../../access/audit/audit.ts';
import { MetricSet } from '../../base/process/metrics.ts';
import type { Series } from '../../base/process/metrics.ts';
import { defineProcessMetrics } from '../../base/process/process-metrics.ts';
import { defineTrafficMetrics } from '../../base/process/http-traffic.ts';
import type { Traffic } from '../../base/process/http-traffic.ts';
import type { ReadCounters } from '../../proto/gen/stele/v1/counters.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { countShards } from '../../proto/view-words.ts';
import { LatencyHistogram, exportedBoundsMs } from '../../base/process/latency.ts';
import type { CacheCounts } from '../../routing/router.ts';
import type { ClusterOperations, ViewSource } from '../../proto/operations.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { defineTlsMetrics } from '../../transport/tls/tls-report.ts';
import { defineClusterMetrics } from './cluster-metrics.ts';
import type { LookupCore } from './lookup/lookup-core.ts';

const SURFACES = ['http', 'resp', 'grpc'] as const;

/** The process whose front this is. */
export type FrontRole = 'master' | 'query';

/** Counts of one interface. */
export class SurfaceCounts {
  readonly latency = new LatencyHistogram();
  found = 0;
  notFound = 0;
  failed = 0;

  /** Counts one cached key, which was answered within its tick. */
  addCached(): void {
    this.found++;
    this.latency.record(0);
  }
}

/** What other parts of this process are and count, by part or result. */
export interface MetricSources {
  /** Default: master. */
  readonly role?: FrontRole;
  /** Exceptions that were caught and logged, by the part that threw. */
  readonly faults?: () => ReadonlyMap<string, number>;
  /** Loads that ended since the start, by result. */
  readonly loadEnds?: () => ReadonlyMap<string, number>;
  readonly tls?: TlsIdentity | undefined;
  readonly audit?: Audit | undefined;
}

export class FrontMetrics {
  readonly http = new SurfaceCounts();
  readonly resp = new SurfaceCounts();
  readonly grpc = new SurfaceCounts();
  readonly #set = new MetricSet();

  constructor(
    core: LookupCore,
    operations: ClusterOperations,
    traffic: () => { readonly http: Traffic; readonly resp: Traffic },
    { audit, faults = () => new Map(), loadEnds, role = 'master', tls }: MetricSources = {},
  ) {
    defineProcessMetrics(this.#set, { role, faults });
    defineTlsMetrics(this.#set, tls);
    defineAuditMetrics(this.#set, audit);
    this.#defineLookups(core);
    this.#set.times('stele_read_seconds', 'Time to answer a read', exportedBoundsMs, () =>
      SURFACES.map((protocol) => [{ protocol }, this[protocol].latency]),
    );
    this.#defineCacheOfKeyspaces(core);
    this.#defineView(core, operations);
    defineClusterMetrics(this.#set, operations);
    if (loadEnds !== undefined) {
      this.#set.series(
        'stele_loads_total',
        'Loads that ended since the start of the master, by how; current: there was nothing to load',
        () => [...loadEnds()].map(([result, count]) => [{ result }, count]),
      );
    }
    defineTrafficMetrics(this.#set, traffic);
  }

  get contentType(): string {
    return this.#set.contentType;
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#set.text();
  }

  /** The reads of this process since its start. */
  reads(core: LookupCore): ReadCounters {
    const latency: number[] = [];
    const totals = { found: 0, notFound: 0, failed: 0 };
    for (const protocol of SURFACES) {
      const counts = this[protocol];
      counts.latency.addTo(latency);
      totals.found += counts.found;
      totals.notFound += counts.notFound;
      totals.failed += counts.failed;
    }
    const keyspaces = [...core.router.cacheCounts()]
      .filter(([, { hits }]) => hits > 0)
      .map(([keyspace, { hits }]) => ({
        keyspace,
        keyspaceUid: '',
        found: 0,
        notFound: 0,
        valueBytes: 0,
        cacheHits: hits,
      }));
    return { ...totals, valueBytes: 0, latency, keyspaces, cacheHits: core.cache.hits };
  }

  #defineLookups(core: LookupCore): void {
    const set = this.#set;
    set.series('stele_reads_total', 'Read requests answered, by protocol and result', () =>
      SURFACES.flatMap((protocol): Series[] => {
        const { failed, found, notFound } = this[protocol];
        return [
          [{ protocol, result: 'found' }, found],
          [{ protocol, result: 'not_found' }, notFound],
          [{ protocol, result: 'failed' }, failed],
        ];
      }),
    );
    const { cache, dispatcher } = core;
    set.value('stele_lookup_keys_total', 'Keys looked up', () => core.keysTotal);
    set.value('stele_cache_hits_total', 'Keys answered by the cache', () => cache.hits);
    set.value('stele_cache_misses_total', 'Keys the cache lacked', () => cache.misses);
    set.value(
      'stele_lookup_retries_total',
      'Keys sent to a further replica after a failure',
      () => dispatcher.retries,
    );
    set.value(
      'stele_lookup_hedges_total',
      'Keys sent to a second replica because of slowness',
      () => dispatcher.hedges,
    );
    set.value(
      'stele_lookup_unavailable_total',
      'Keys that no replica answered',
      () => dispatcher.unavailable,
    );
    set.value('stele_cache_bytes', 'Bytes held by the cache', () => cache.byteLength);
    set.value('stele_cache_entries', 'Values held by the cache', () => cache.entryCount);
  }

  #defineCacheOfKeyspaces(core: LookupCore): void {
    const ofEach = (name: string, help: string, value: (counts: CacheCounts) => number): void =>
      this.#set.series(name, help, () =>
        [...core.router.cacheCounts()].map(([keyspace, counts]) => [{ keyspace }, value(counts)]),
      );
    ofEach('stele_keyspace_cache_hits_total', 'Keys answered by the cache', ({ hits }) => hits);
    ofEach('stele_keyspace_cache_misses_total', 'Keys the cache lacked', ({ misses }) => misses);
    ofEach(
      'stele_keyspace_cache_hit_ratio',
      'Share of its keys that the cache answered',
      ({ hits, misses }) => (hits === 0 ? 0 : hits / (hits + misses)),
    );
  }

  #defineView(core: LookupCore, views: ViewSource): void {
    const set = this.#set;
    const view = (): ClusterView => core.router.table.view;
    set.value('stele_health_status', '1 green, 2 yellow, 3 red, 0 unknown', () => view().health);
    set.value('stele_ready', '1 when every shard can be read', () => (view().ready ? 1 : 0));
    set.series(
      'stele_keyspace_shards_unserved',
      'Shards of the current version without a replica on a serving datanode',
      () =>
        view().keyspaces.map(({ name, unserved }) => [{ keyspace: name }, countShards(unserved)]),
    );
    set.value('stele_epoch', "Number of the leader's term", () => view().epoch);
    set.value(
      'stele_view_age_seconds',
      "Time since the leader's views stopped to arrive, so that reads are answered by the last one; 0: they arrive",
      () => {
        const since = views.silentSince?.();
        return since === undefined ? 0 : Math.max(0, Date.now() - Date.parse(since)) / 1000;
      },
    );
    set.series('stele_node_in_flight_keys', 'Keys asked of a datanode and not answered yet', () =>
      [...core.router.nodes()].map((slot) => [{ node: slot.id }, slot.inFlight]),
    );
  }
}
