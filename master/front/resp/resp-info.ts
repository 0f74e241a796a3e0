// INFO of the master: the fields that clients check when they connect (`redis_version`, `loading`),
// and those that people look for.

import { randomBytes } from 'node:crypto';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { healthWord, isAnswering } from '../../../proto/view-words.ts';
import { keyspaceSections, processSections } from '../../../resp/info/info.ts';
import type { InfoSection, ListenerCounts } from '../../../resp/info/info.ts';
import type { LookupCore } from '../lookup/lookup-core.ts';
import type { FrontRole, SurfaceCounts } from '../metrics.ts';

/** A new one at each start, as in Redis: 40 hex digits. */
const RUN_ID = randomBytes(20).toString('hex');

export interface InfoFacts {
  readonly core: LookupCore;
  readonly listener: ListenerCounts;
  readonly respPort: number;
  readonly role: FrontRole;
  readonly zone: string;
  readonly uptimeMs: number;
}

export function masterInfo(
  view: ClusterView,
  { core, listener, respPort, role, uptimeMs, zone }: InfoFacts,
  reads: SurfaceCounts,
): InfoSection[] {
  const { cache, dispatcher } = core;
  const sections = processSections({
    role,
    mode: 'standalone',
    port: respPort,
    uptimeMs,
    listener,
    // Clients wait for loading:0; a single unavailable shard must not keep them out.
    isLoading: !core.router.readsSome,
    memoryUsedBytes: process.memoryUsage.rss(),
    memoryMaxBytes: 0,
    more: {
      server: { run_id: RUN_ID, availability_zone: zone },
      memory: { stele_cache_bytes: cache.byteLength },
      stats: {
        keyspace_hits: reads.found,
        keyspace_misses: reads.notFound,
        stele_cache_hits: cache.hits,
        stele_cache_misses: cache.misses,
        stele_lookup_retries: dispatcher.retries,
        stele_lookup_hedges: dispatcher.hedges,
      },
    },
  });
  return [
    ...sections,
    { name: 'Cluster', fields: clusterFields(view) },
    ...keyspaceSections(
      view.keyspaces.map(({ currentVersion, index, name, records }) => ({
        index,
        name,
        keys: records,
        version: currentVersion,
      })),
    ),
  ];
}

function clusterFields(view: ClusterView): Record<string, string | number> {
  return {
    // It answers for all keys, as one server: see resp-backend.ts.
    cluster_enabled: 0,
    stele_health: healthWord(view.health),
    stele_epoch: view.epoch,
    stele_datanodes: view.nodes.length,
    stele_datanodes_serving: view.nodes.filter((node) => isAnswering(node.state)).length,
    stele_replication: view.replication,
    stele_shards: view.shardCount,
  };
}
