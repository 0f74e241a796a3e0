// What the front counts, for /metrics. The hot paths only add to plain numbers; prom-client sees
// them when somebody scrapes (50,000 requests a second leave no room for label maps).

import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { countShards } from '../../proto/view-words.ts';
import { LatencyHistogram, doublingBoundsMs } from '../../proto/routing/latency.ts';
import type { CacheCounts } from '../../proto/routing/router.ts';
import type { LookupCore } from './lookup-core.ts';

const SURFACES = ['http', 'resp', 'grpc'] as const;

/** Counts of one way of asking. */
export class SurfaceCounts {
  readonly latency = new LatencyHistogram();
  found = 0;
  notFound = 0;
  failed = 0;

  /** One key that the cache had: answered within its turn. */
  addCached(): void {
    this.found++;
    this.latency.record(0);
  }
}

export class FrontMetrics {
  readonly http = new SurfaceCounts();
  readonly resp = new SurfaceCounts();
  readonly grpc = new SurfaceCounts();
  readonly #registry = new Registry();

  constructor(core: LookupCore, connections: () => { http: number; resp: number }) {
    collectDefaultMetrics({ register: this.#registry });
    this.#defineLookups(core);
    this.#defineCluster(core);
    this.#registry.registerMetric(
      new Gauge({
        registers: [],
        name: 'stele_connections',
        help: 'Open client connections',
        labelNames: ['protocol'],
        collect() {
          const open = connections();
          this.set({ protocol: 'http' }, open.http);
          this.set({ protocol: 'resp' }, open.resp);
        },
      }),
    );
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  async text(): Promise<string> {
    return `${await this.#registry.metrics()}${this.#latencyText()}`;
  }

  #defineLookups(core: LookupCore): void {
    const surfaces = SURFACES.map((name) => [name, this[name]] as const);
    this.#registry.registerMetric(
      new Counter({
        registers: [],
        name: 'stele_reads_total',
        help: 'Read requests answered, by protocol and result',
        labelNames: ['protocol', 'result'],
        collect() {
          this.reset();
          for (const [protocol, counts] of surfaces) {
            this.inc({ protocol, result: 'found' }, counts.found);
            this.inc({ protocol, result: 'not_found' }, counts.notFound);
            this.inc({ protocol, result: 'failed' }, counts.failed);
          }
        },
      }),
    );
    this.#counter('stele_lookup_keys_total', 'Keys looked up', () => core.keysTotal);
    this.#counter('stele_cache_hits_total', 'Keys answered by the cache', () => core.cache.hits);
    this.#counter('stele_cache_misses_total', 'Keys the cache lacked', () => core.cache.misses);
    this.#defineCacheOfKeyspaces(core);
    this.#counter(
      'stele_lookup_retries_total',
      'Keys sent to a further replica after a failure',
      () => core.dispatcher.retries,
    );
    this.#counter(
      'stele_lookup_hedges_total',
      'Keys sent to a second replica because of slowness',
      () => core.dispatcher.hedges,
    );
    this.#counter(
      'stele_lookup_unavailable_total',
      'Keys that no replica answered',
      () => core.dispatcher.unavailable,
    );
    this.#gauge('stele_cache_bytes', 'Bytes held by the cache', () => core.cache.byteLength);
    this.#gauge('stele_cache_entries', 'Values held by the cache', () => core.cache.entryCount);
  }

  #defineCacheOfKeyspaces(core: LookupCore): void {
    const metric = (
      Kind: typeof Counter | typeof Gauge,
      name: string,
      help: string,
      value: (counts: CacheCounts) => number,
    ): void =>
      this.#registry.registerMetric(
        new Kind({
          registers: [],
          name,
          help,
          labelNames: ['keyspace'],
          collect() {
            this.reset();
            for (const [keyspace, counts] of core.router.cacheCounts()) {
              this.inc({ keyspace }, value(counts));
            }
          },
        }),
      );
    metric(
      Counter,
      'stele_keyspace_cache_hits_total',
      'Keys answered by the cache',
      ({ hits }) => hits,
    );
    metric(
      Counter,
      'stele_keyspace_cache_misses_total',
      'Keys the cache lacked',
      ({ misses }) => misses,
    );
    metric(
      Gauge,
      'stele_keyspace_cache_hit_ratio',
      'Share of its keys that the cache answered',
      ({ hits, misses }) => (hits === 0 ? 0 : hits / (hits + misses)),
    );
  }

  #defineCluster(core: LookupCore): void {
    const view = (): ClusterView => core.router.table.view;
    this.#gauge('stele_health_status', '1 green, 2 yellow, 3 red, 0 unknown', () => view().health);
    this.#gauge('stele_ready', '1 when every shard can be read', () => (view().ready ? 1 : 0));
    this.#registry.registerMetric(
      new Gauge({
        registers: [],
        name: 'stele_keyspace_shards_unserved',
        help: 'Shards of the current version without a replica on a serving datanode',
        labelNames: ['keyspace'],
        collect() {
          this.reset();
          for (const { name, unserved } of view().keyspaces) {
            this.set({ keyspace: name }, countShards(unserved));
          }
        },
      }),
    );
    this.#gauge('stele_epoch', "Number of the leader's term", () => view().epoch);
    this.#registry.registerMetric(
      new Gauge({
        registers: [],
        name: 'stele_node_in_flight_keys',
        help: 'Keys asked of a datanode and not answered yet',
        labelNames: ['node'],
        collect() {
          this.reset();
          for (const slot of core.router.nodes()) this.set({ node: slot.id }, slot.inFlight);
        },
      }),
    );
  }

  #counter(name: string, help: string, value: () => number): void {
    this.#registry.registerMetric(
      new Counter({
        registers: [],
        name,
        help,
        collect() {
          this.reset();
          this.inc(value());
        },
      }),
    );
  }

  #gauge(name: string, help: string, value: () => number): void {
    this.#registry.registerMetric(
      new Gauge({
        registers: [],
        name,
        help,
        collect() {
          this.set(value());
        },
      }),
    );
  }

  /** prom-client cannot take a histogram's counts over, so this one is written here. */
  #latencyText(): string {
    const name = 'stele_read_seconds';
    const lines = [`# HELP ${name} Time to answer a read`, `# TYPE ${name} histogram`];
    for (const surface of SURFACES) {
      const { latency } = this[surface];
      for (const boundMs of doublingBoundsMs) {
        const count = latency.countUpTo(boundMs);
        lines.push(`${name}_bucket{protocol="${surface}",le="${boundMs / 1000}"} ${count}`);
      }
      lines.push(`${name}_bucket{protocol="${surface}",le="+Inf"} ${latency.total}`);
      lines.push(`${name}_sum{protocol="${surface}"} ${latency.sumMs / 1000}`);
      lines.push(`${name}_count{protocol="${surface}"} ${latency.total}`);
    }
    return `${lines.join('\n')}\n`;
  }
}
