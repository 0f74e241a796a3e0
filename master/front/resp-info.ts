// INFO of the master: what clients look at when they connect (`redis_version`, `loading`), and what
// people look for.

import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { CommandArguments } from '../../resp/decoder.ts';
import type { ReplyWriter } from '../../resp/encoder.ts';
import { formatInfo } from '../../resp/info.ts';
import type { InfoSection } from '../../resp/info.ts';
import { healthWord } from '../../proto/view-words.ts';
import type { LookupCore } from './lookup-core.ts';

/** The Redis version whose behaviour the commands follow. */
export const REDIS_VERSION = '7.2.0';

export interface InfoFacts {
  readonly core: LookupCore;
  readonly clients: number;
  readonly clientsMax: number;
  readonly respPort: number;
  readonly uptimeMs: number;
  readonly commandsTotal: number;
}

export function writeInfo(
  view: ClusterView,
  facts: InfoFacts,
  command: CommandArguments,
  out: ReplyWriter,
): void {
  const asked: string[] = [];
  for (let at = 1; at < command.argc; at++) {
    asked.push(command.buffer.toString('latin1', command.starts[at], command.ends[at]));
  }
  out.verbatim(formatInfo(sectionsOf(view, facts), asked));
}

function sectionsOf(view: ClusterView, facts: InfoFacts): InfoSection[] {
  const { cache, dispatcher } = facts.core;
  const upSeconds = Math.floor(facts.uptimeMs / 1000);
  return [
    {
      name: 'Server',
      fields: {
        redis_version: REDIS_VERSION,
        redis_mode: 'standalone',
        server_name: 'stele',
        os: `${process.platform} ${process.arch}`,
        arch_bits: 64,
        process_id: process.pid,
        tcp_port: facts.respPort,
        uptime_in_seconds: upSeconds,
        uptime_in_days: Math.floor(upSeconds / 86_400),
      },
    },
    {
      name: 'Clients',
      fields: { connected_clients: facts.clients, maxclients: facts.clientsMax },
    },
    {
      name: 'Memory',
      fields: {
        used_memory: process.memoryUsage.rss(),
        used_memory_rss: process.memoryUsage.rss(),
        cache_bytes: cache.byteLength,
        maxmemory: 0,
        maxmemory_policy: 'noeviction',
      },
    },
    {
      name: 'Persistence',
      // Clients wait for loading:0; a single dead shard must not keep them out.
      fields: { loading: facts.core.router.open ? 0 : 1, rdb_bgsave_in_progress: 0 },
    },
    {
      name: 'Stats',
      fields: {
        total_commands_processed: facts.commandsTotal,
        keyspace_hits: cache.hits,
        keyspace_misses: cache.misses,
        lookup_retries: dispatcher.retries,
        lookup_hedges: dispatcher.hedges,
      },
    },
    { name: 'Replication', fields: { role: 'master', connected_slaves: 0 } },
    { name: 'Cluster', fields: clusterFields(view) },
    { name: 'Keyspace', fields: keyspaceFields(view) },
  ];
}

function clusterFields(view: ClusterView): Record<string, string | number> {
  return {
    cluster_enabled: 1,
    stele_health: healthWord(view.health),
    stele_epoch: view.epoch,
    stele_datanodes: view.nodes.length,
    stele_datanodes_serving: view.nodes.filter((node) => node.state === NodeState.SERVING).length,
    stele_replication: view.replication,
    stele_shards: view.shardCount,
  };
}

/** As Redis writes it, with the name and version behind the fields that Redis has. */
function keyspaceFields(view: ClusterView): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const keyspace of [...view.keyspaces].sort((left, right) => left.index - right.index)) {
    fields[`db${keyspace.index}`] =
      `keys=${keyspace.records},expires=0,avg_ttl=0,name=${keyspace.name},version=${keyspace.currentVersion}`;
  }
  return fields;
}
