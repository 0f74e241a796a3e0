// The text of INFO: sections of `name:value` lines, selected as in Redis.
//
//   # Server\r\n
//   redis_version:7.2.0\r\n
//   \r\n
//   # Clients\r\n ...
//
// This file builds the sections that every process has; the keyspaces and the fields of a role come
// from the role's resp-info.ts.

import { totalmem } from 'node:os';
import { STELE_VERSION } from '../../base/process/build-version.ts';
import type { CommandCounters } from '../commands/command-counters.ts';
import type { CommandHistograms } from '../commands/command-histograms.ts';
import { COMMAND_SPECS } from '../commands/command-spec.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

/** The Redis version whose behaviour the commands follow. */
export const REDIS_VERSION = '7.4.0';

type InfoFields = Readonly<Record<string, string | number>>;

/** One section; numbers and texts are printed as they are. */
export interface InfoSection {
  /** The printed name: `Server`, `Keyspace`. */
  readonly name: string;
  readonly fields: InfoFields;
  /** Shown only if it is asked for by name, or with everything. */
  readonly isExtra?: boolean;
}

/** Counts of a listener since it was opened. */
export interface ListenerCounts {
  readonly clients: number;
  readonly clientsMax: number;
  readonly connectionsTotal: number;
  readonly rejectedTotal: number;
  readonly commandsTotal: number;
  readonly inputBytesTotal: number;
  readonly outputBytesTotal: number;
  /** These rates are over the last second or so. */
  readonly commandsPerSecond: number;
  readonly inputBytesPerSecond: number;
  readonly outputBytesPerSecond: number;
  /** Clients that have CLIENT TRACKING on. */
  readonly trackingClients: number;
  readonly commands: {
    readonly counters: CommandCounters;
    readonly histograms: CommandHistograms;
  };
}

/** The facts about a process; `more` fields are added to the section of that name. */
export interface ProcessFacts {
  /**
   * What runs. Replication, HELLO and ROLE say `master` of each: GLIDE, for example, refuses a
   * server whose INFO replication does not.
   */
  readonly role: 'master' | 'query' | 'datanode';
  readonly mode: 'standalone' | 'cluster';
  readonly port: number;
  readonly uptimeMs: number;
  readonly listener: ListenerCounts;
  readonly isLoading: boolean;
  /** Bytes that count against `memoryMaxBytes` (0: no limit). */
  readonly memoryUsedBytes: number;
  readonly memoryMaxBytes: number;
  readonly more: {
    readonly server?: InfoFields;
    readonly memory?: InfoFields;
    readonly stats?: InfoFields;
  };
}

/** The facts in a line of INFO keyspace. */
export interface KeyspaceFacts {
  readonly index: number;
  readonly name: string;
  readonly keys: number;
  readonly version: number;
}

/**
 * The section Keyspace, with the lines of Redis: three numbers for each keyspace that has keys; and
 * the section Stele, with what Redis lacks: the name and the version of every keyspace, by index.
 */
export function keyspaceSections(keyspaces: readonly KeyspaceFacts[]): InfoSection[] {
  const dbs: Record<string, string> = {};
  const names: Record<string, string> = {};
  for (const { index, keys, name, version } of keyspaces.toSorted((a, b) => a.index - b.index)) {
    if (keys > 0) dbs[`db${index}`] = `keys=${keys},expires=0,avg_ttl=0`;
    names[`stele_keyspace_${index}`] = `name=${name},version=${version},keys=${keys}`;
  }
  return [
    { name: 'Keyspace', fields: dbs },
    { name: 'Stele', fields: names },
  ];
}

/** The number of indexes for SELECT, at least as many as a new Redis has. */
export function databaseCount(keyspaces: readonly { readonly index: number }[]): number {
  return keyspaces.reduce((count, { index }) => Math.max(count, index + 1), 16);
}

/** Answers `INFO [section ...]`. */
export function writeInfo(
  command: CommandArguments,
  out: ReplyWriter,
  sections: readonly InfoSection[],
): void {
  const asked = Array.from({ length: command.argc - 1 }, (_, at) => argumentText(command, at + 1));
  out.verbatim(formatInfo(sections, asked));
}

/** Server, Clients, Memory, Persistence, Stats, Replication and CPU. */
export function processSections(facts: ProcessFacts): InfoSection[] {
  return [
    { name: 'Server', fields: serverFields(facts) },
    { name: 'Clients', fields: clientFields(facts.listener) },
    { name: 'Memory', fields: memoryFields(facts) },
    {
      name: 'Persistence',
      fields: {
        loading: facts.isLoading ? 1 : 0,
        async_loading: 0,
        rdb_changes_since_last_save: 0,
        rdb_bgsave_in_progress: 0,
        rdb_last_bgsave_status: 'ok',
        aof_enabled: 0,
        aof_rewrite_in_progress: 0,
      },
    },
    { name: 'Stats', fields: statsFields(facts) },
    {
      name: 'Replication',
      fields: { role: 'master', connected_slaves: 0, master_repl_offset: 0 },
    },
    { name: 'CPU', fields: cpuFields() },
    { name: 'Modules', fields: {} },
    {
      name: 'Commandstats',
      fields: commandFields(facts.listener.commands.counters),
      isExtra: true,
    },
    { name: 'Errorstats', fields: errorFields(facts.listener.commands.counters) },
    {
      name: 'Latencystats',
      fields: latencyFields(facts.listener.commands.histograms),
      isExtra: true,
    },
  ];
}

function serverFields({ mode, port, role, uptimeMs, more }: ProcessFacts): InfoFields {
  const upSeconds = Math.floor(uptimeMs / 1000);
  return {
    redis_version: REDIS_VERSION,
    redis_mode: mode,
    server_name: 'stele',
    stele_version: STELE_VERSION,
    stele_role: role,
    node_version: process.version,
    os: `${process.platform} ${process.arch}`,
    arch_bits: 64,
    process_id: process.pid,
    tcp_port: port,
    server_time_usec: Date.now() * 1000,
    uptime_in_seconds: upSeconds,
    uptime_in_days: Math.floor(upSeconds / 86_400),
    ...more.server,
  };
}

function clientFields({ clients, clientsMax, trackingClients }: ListenerCounts): InfoFields {
  return {
    connected_clients: clients,
    cluster_connections: 0,
    maxclients: clientsMax,
    blocked_clients: 0,
    tracking_clients: trackingClients,
  };
}

function memoryFields({ memoryUsedBytes, memoryMaxBytes, more }: ProcessFacts): InfoFields {
  const { rss, heapUsed } = process.memoryUsage();
  return {
    used_memory: memoryUsedBytes,
    used_memory_human: humanBytes(memoryUsedBytes),
    used_memory_rss: rss,
    used_memory_rss_human: humanBytes(rss),
    used_memory_heap: heapUsed,
    used_memory_dataset: memoryUsedBytes,
    total_system_memory: totalmem(),
    total_system_memory_human: humanBytes(totalmem()),
    maxmemory: memoryMaxBytes,
    maxmemory_human: humanBytes(memoryMaxBytes),
    maxmemory_policy: 'noeviction',
    mem_fragmentation_ratio: memoryUsedBytes === 0 ? '1.00' : (rss / memoryUsedBytes).toFixed(2),
    ...more.memory,
  };
}

function statsFields({ listener, more }: ProcessFacts): InfoFields {
  return {
    total_connections_received: listener.connectionsTotal,
    total_commands_processed: listener.commandsTotal,
    instantaneous_ops_per_sec: listener.commandsPerSecond,
    total_net_input_bytes: listener.inputBytesTotal,
    total_net_output_bytes: listener.outputBytesTotal,
    instantaneous_input_kbps: (listener.inputBytesPerSecond / 1024).toFixed(2),
    instantaneous_output_kbps: (listener.outputBytesPerSecond / 1024).toFixed(2),
    rejected_connections: listener.rejectedTotal,
    expired_keys: 0,
    evicted_keys: 0,
    pubsub_channels: 0,
    pubsub_patterns: 0,
    total_error_replies: listener.commands.counters.errorsTotal,
    ...more.stats,
  };
}

function cpuFields(): InfoFields {
  const { user, system } = process.cpuUsage();
  return {
    used_cpu_sys: (system / 1e6).toFixed(6),
    used_cpu_user: (user / 1e6).toFixed(6),
    used_cpu_sys_children: '0.000000',
    used_cpu_user_children: '0.000000',
  };
}

function commandFields({ calls, milliseconds }: CommandCounters): InfoFields {
  const fields: Record<string, string> = {};
  for (const { id, name } of COMMAND_SPECS) {
    const count = calls[id] ?? 0;
    if (count === 0) continue;
    const usec = Math.round((milliseconds[id] ?? 0) * 1000);
    const mean = (usec / count).toFixed(2);
    fields[`cmdstat_${name}`] =
      `calls=${count},usec=${usec},usec_per_call=${mean},rejected_calls=0,failed_calls=0`;
  }
  return fields;
}

function errorFields({ errors }: CommandCounters): InfoFields {
  return Object.fromEntries(
    [...errors].map(([word, count]) => [`errorstat_${word}`, `count=${count}`]),
  );
}

/** The percentiles of Redis, in microseconds. */
function latencyFields(histograms: CommandHistograms): InfoFields {
  return Object.fromEntries(
    histograms.recorded().map((spec) => {
      const texts = [50, 99, 99.9].map(
        (percent) => `p${percent}=${histograms.percentileUs(spec, percent / 100).toFixed(3)}`,
      );
      return [`latency_percentiles_usec_${spec.name}`, texts.join(',')];
    }),
  );
}

/** Formats a size as Redis does: `512B`, `1.50K`, `2.00M`, `3.25G`. */
function humanBytes(byteCount: number): string {
  const units = ['K', 'M', 'G', 'T'];
  let amount = byteCount;
  let unit = '';
  for (const next of units) {
    if (amount < 1024) break;
    amount /= 1024;
    unit = next;
  }
  return unit === '' ? `${byteCount}B` : `${amount.toFixed(2)}${unit}`;
}

const EVERYTHING = ['all', 'everything'];

/**
 * The sections that `INFO [section ...]` asks for, as one text; the default ones if none is named.
 */
export function formatInfo(sections: readonly InfoSection[], asked: readonly string[]): string {
  const wanted = new Set(asked.map((name) => name.toLowerCase()));
  const all = EVERYTHING.some((name) => wanted.has(name));
  const usual = all || wanted.size === 0 || wanted.has('default');
  return sections
    .filter(
      ({ name, isExtra }) => (isExtra === true ? all : usual) || wanted.has(name.toLowerCase()),
    )
    .map(formatSection)
    .join('\r\n');
}

function formatSection(section: InfoSection): string {
  const lines = Object.entries(section.fields).map(([name, value]) => `${name}:${value}\r\n`);
  return `# ${section.name}\r\n${lines.join('')}`;
}
