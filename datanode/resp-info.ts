// INFO of a datanode: the sections clients and people look at.

import { monotonicNowMs } from '../base/clock.ts';
import { keyspaceLine, processSections } from '../resp/info.ts';
import type { InfoSection, ListenerCounts } from '../resp/info.ts';
import type { Datanode } from './node.ts';
import { notReadyReason } from './readiness.ts';
import { primaryShards } from './resp-dataset.ts';
import { recordsOf } from './resp-keys.ts';

export function datanodeInfo(
  node: Datanode,
  listener: ListenerCounts,
  startedAtMs: number,
): InfoSection[] {
  const { nodeId, incarnation } = node.identity;
  const sections = processSections({
    mode: 'cluster',
    port: node.address.respPort,
    uptimeMs: monotonicNowMs() - startedAtMs,
    listener,
    isLoading: notReadyReason(node) !== undefined,
    memoryUsedBytes: node.holdings.segmentBytes,
    memoryMaxBytes: node.limits.memoryMaxBytes,
    more: {
      server: { run_id: incarnation, stele_node: nodeId },
      memory: { stele_segments: node.holdings.count },
      stats: { stele_lookups: node.counters.lookups },
    },
  });
  return [
    ...sections,
    { name: 'Cluster', fields: { cluster_enabled: 1 } },
    { name: 'Keyspace', fields: keyspaceFields(node) },
  ];
}

/** The records that DBSIZE counts, of each keyspace that is here. */
function keyspaceFields(node: Datanode): Record<string, string> {
  const fields: Record<string, string> = {};
  const { view } = node.cluster;
  if (view === undefined) return fields;
  const shards = primaryShards(node);
  for (const { uid, name, index, currentVersion } of view.keyspaces) {
    const table = node.tables.get(uid, currentVersion);
    const keys = table === undefined ? 0 : recordsOf(table, shards);
    fields[`db${index}`] = keyspaceLine(keys, name, currentVersion);
  }
  return fields;
}
