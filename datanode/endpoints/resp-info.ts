// The sections of INFO on a datanode.

import type { Subject } from '../../access/subject.ts';
import { visibleView } from '../../access/visible.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { keyspaceSections, processSections } from '../../resp/info/info.ts';
import type { InfoSection, KeyspaceFacts, ListenerCounts } from '../../resp/info/info.ts';
import type { Datanode } from '../node.ts';
import { notReadyReason } from './readiness.ts';
import { primaryShards } from './resp-dataset.ts';
import { recordsOf } from './resp-keys.ts';

export function datanodeInfo(
  node: Datanode,
  listener: ListenerCounts,
  startedAtMs: number,
  subject: Subject | undefined,
): InfoSection[] {
  const { nodeId, incarnation } = node.identity;
  const sections = processSections({
    role: 'datanode',
    mode: 'cluster',
    port: node.address.respPort,
    uptimeMs: monotonicNowMs() - startedAtMs,
    listener,
    isLoading: notReadyReason(node) !== undefined,
    memoryUsedBytes: node.storage.memory.accountedBytes,
    memoryMaxBytes: node.memoryMaxBytes,
    more: {
      server: { run_id: incarnation, stele_node: nodeId, availability_zone: zoneOf(node) },
      memory: {
        stele_segments: node.holdings.count,
        stele_disk_cache_bytes: node.disk.cache.touchedBytes,
      },
      stats: {
        keyspace_hits: node.counters.hits,
        keyspace_misses: node.counters.misses,
        stele_lookups: node.counters.lookups,
        stele_disk_cache_hits: node.disk.cache.hits,
        stele_disk_cache_misses: node.disk.stats.reads,
      },
    },
  });
  return [
    ...sections,
    { name: 'Cluster', fields: { cluster_enabled: 1, ...viewFields(node) } },
    ...keyspaceSections(keyspacesOf(node, subject)),
  ];
}

/** The zone as the master knows it. */
function zoneOf({ cluster, identity }: Datanode): string {
  return cluster.view?.nodes.find(({ id }) => id === identity.nodeId)?.zone ?? '';
}

/** The view in force, and whether it may have been replaced. */
function viewFields({ cluster, contact }: Datanode): Record<string, number> {
  const nowMs = monotonicNowMs();
  return {
    stele_view_epoch: cluster.view?.epoch ?? 0,
    stele_view_stale: Number(contact.isStale(nowMs)),
    stele_view_age_seconds: Math.round(contact.viewAgeMs(nowMs) / 1000),
  };
}

/** The records that DBSIZE counts, for each keyspace that is here. */
function keyspacesOf(node: Datanode, subject: Subject | undefined): KeyspaceFacts[] {
  const { view } = node.cluster;
  if (view === undefined) return [];
  const shards = primaryShards(node);
  return visibleView(subject, view).keyspaces.map(({ uid, name, index, currentVersion }) => {
    const table = node.tables.get(uid, currentVersion);
    const keys = table === undefined ? 0 : recordsOf(table, shards);
    return { index, name, keys, version: currentVersion };
  });
}
