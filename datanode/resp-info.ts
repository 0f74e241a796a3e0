// INFO of a datanode: the sections clients and people look at.

import { monotonicNowMs } from '../base/clock.ts';
import type { CommandArguments } from '../resp/decoder.ts';
import type { ReplyWriter } from '../resp/encoder.ts';
import { formatInfo } from '../resp/info.ts';
import type { InfoSection } from '../resp/info.ts';
import { notReadyReason } from './readiness.ts';
import type { Datanode } from './node.ts';

/** The Redis version whose behaviour the commands follow. */
export const REDIS_VERSION = '7.2.0';

export interface InfoFacts {
  readonly clients: number;
  readonly startedAtMs: number;
}

export function writeInfo(
  node: Datanode,
  facts: InfoFacts,
  command: CommandArguments,
  out: ReplyWriter,
): void {
  const asked: string[] = [];
  for (let at = 1; at < command.argc; at++) {
    asked.push(command.buffer.toString('latin1', command.starts[at], command.ends[at]));
  }
  out.verbatim(formatInfo(sectionsOf(node, facts), asked));
}

function sectionsOf(node: Datanode, facts: InfoFacts): InfoSection[] {
  const { rss } = process.memoryUsage();
  return [
    {
      name: 'Server',
      fields: {
        redis_version: REDIS_VERSION,
        redis_mode: 'cluster',
        server_name: 'stele',
        node_id: node.identity.nodeId,
        run_id: node.identity.incarnation,
        process_id: process.pid,
        tcp_port: node.address.respPort,
        uptime_in_seconds: Math.floor((monotonicNowMs() - facts.startedAtMs) / 1000),
      },
    },
    { name: 'Clients', fields: { connected_clients: facts.clients } },
    {
      name: 'Memory',
      fields: {
        used_memory: node.holdings.segmentBytes,
        used_memory_rss: rss,
        maxmemory: node.limits.memoryMaxBytes,
        maxmemory_policy: 'noeviction',
      },
    },
    {
      name: 'Persistence',
      fields: { loading: notReadyReason(node) === undefined ? 0 : 1, rdb_bgsave_in_progress: 0 },
    },
    { name: 'Stats', fields: { total_commands_processed: node.counters.lookups } },
    { name: 'Replication', fields: { role: 'master', connected_slaves: 0 } },
    { name: 'Cluster', fields: { cluster_enabled: 1 } },
    { name: 'Keyspace', fields: keyspaceFields(node) },
  ];
}

/** `db<index>:keys=..` of the records held here; the name comes last, where Redis has more fields. */
function keyspaceFields(node: Datanode): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const keyspace of node.cluster.view?.keyspaces ?? []) {
    const records = node.tables.get(keyspace.uid, keyspace.currentVersion)?.records ?? 0;
    fields[`db${keyspace.index}`] =
      `keys=${records},expires=0,avg_ttl=0,name=${keyspace.name},version=${keyspace.currentVersion}`;
  }
  return fields;
}
