// The JSON of every listing and operation, the same over HTTP, in `STELE ...` replies and with `-o
// json`: snake_case names, digests in hex, states as words.

import type {
  AuditEntry,
  Event,
  ExplainResponse,
  GetHealthResponse,
  GetReadCountersResponse,
  KeyspaceSummary,
  MasterSummary,
  NoLeader,
  NodeSummary,
  Repairing,
  SetTierResponse,
  ShardSummary,
  TierProgress,
  VersionSummary,
} from './gen/stele/v1/cluster.ts';
import type { ReadCounters } from './gen/stele/v1/counters.ts';
import { LoadMode } from './gen/stele/v1/load.ts';
import type { AppendOutcome, LoadGate, LoadStatus } from './gen/stele/v1/load.ts';
import { NodeState } from './gen/stele/v1/view.ts';
import type { NodeAddress, Warming } from './gen/stele/v1/view.ts';
import { healthWord, loadStateWord, nodeStateWord, tierWord } from './view-words.ts';

export type Json = Record<string, unknown>;

/** An answer that may be from the last view (see NoLeader). */
type OrLastView<Answer> = Answer & { readonly noLeader?: NoLeader | undefined };

/** `no_leader` of an answer from the last view; nothing of others. */
export function noLeaderJson({ noLeader }: OrLastView<object>): Json {
  if (noLeader === undefined) return {};
  return { no_leader: { reason: noLeader.reason, since: orNull(noLeader.since) } };
}

/** Of an answer from the last view, what only a leader knows is null. */
function known(json: Json, noLeader: NoLeader | undefined, ofView: readonly string[]): Json {
  if (noLeader === undefined) return json;
  const entries = Object.entries(json);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, ofView.includes(name) ? value : null]),
  );
}

const OF_VIEW = {
  keyspace: ['name', 'uid', 'index', 'state', 'current_version', 'records', 'cache', 'tier'],
  node: ['id', 'state', 'incarnation', 'address', 'zone'],
  shard: ['shard', 'slots', 'holders', 'status'],
} as const;

export function keyspacesJson(
  answer: OrLastView<{ keyspaces: readonly KeyspaceSummary[] }>,
): Json[] {
  return answer.keyspaces.map((one) => known(keyspaceJson(one), answer.noLeader, OF_VIEW.keyspace));
}

export function nodesJson(answer: OrLastView<{ nodes: readonly NodeSummary[] }>): Json[] {
  return answer.nodes.map((one) => known(nodeJson(one), answer.noLeader, OF_VIEW.node));
}

export function shardsJson(answer: OrLastView<{ shards: readonly ShardSummary[] }>): Json[] {
  return answer.shards.map((one) => known(shardJson(one), answer.noLeader, OF_VIEW.shard));
}

function keyspaceJson(keyspace: KeyspaceSummary): Json {
  return {
    name: keyspace.name,
    uid: keyspace.uid,
    index: keyspace.index,
    state: keyspace.state,
    repairing: repairingJson(keyspace.repairing),
    current_version: keyspace.currentVersion,
    records: keyspace.records,
    key_bytes: keyspace.keyBytes,
    value_bytes: keyspace.valueBytes,
    segment_bytes: keyspace.segmentBytes,
    digest: keyspace.digest.toString('hex'),
    replication: keyspace.replication,
    created_at: keyspace.createdAt,
    committed_at: keyspace.committedAt === '' ? null : keyspace.committedAt,
    keep: keyspace.keep,
    cache: !keyspace.uncached,
    tier: tierWord(keyspace.tier),
    tier_move: tierMoveJson(keyspace.moving),
  };
}

/** A change of tier; `to_move` is null if it was the keyspace's tier already. */
export function setTierJson({ bytes, changed, segments, tier }: SetTierResponse): Json {
  return { tier: tierWord(tier), to_move: changed ? { segments, bytes } : null };
}

function tierMoveJson(moving: TierProgress | undefined): Json | null {
  if (moving === undefined) return null;
  return {
    segments_left: moving.segmentsLeft,
    bytes_left: moving.bytesLeft,
    nodes_unknown: moving.nodesUnknown,
    failure: orNull(moving.failure),
  };
}

function repairingJson(repairing: Repairing | undefined): Json | null {
  if (repairing === undefined) return null;
  return {
    from: repairing.from,
    error: repairing.error,
    attempts: repairing.attempts,
    next_retry_at: repairing.nextRetryAt,
    needs_person: repairing.needsPerson,
  };
}

export function versionJson(version: VersionSummary): Json {
  return {
    version: version.version,
    current: version.current,
    state: version.state,
    records: version.records,
    key_bytes: version.keyBytes,
    value_bytes: version.valueBytes,
    segment_bytes: version.segmentBytes,
    digest: version.digest.toString('hex'),
    source: version.source,
    input: version.input === '' ? null : version.input,
    committed_at: version.committedAt,
    current_since: version.currentSince === '' ? null : version.currentSince,
    current_by: version.currentBy === '' ? null : version.currentBy,
    load_id: version.loadId,
    rollback_target: version.rollbackTarget,
    reason: version.reason === '' ? null : version.reason,
    gate: version.gate === undefined ? null : gateJson(version.gate),
    append: version.append === undefined ? null : appendJson(version.append),
    deltas: version.deltas,
  };
}

function appendJson({ added, baseVersion, replaced, unchanged }: AppendOutcome): Json {
  return { base_version: baseVersion, added, replaced, unchanged };
}

/** Keys as text, because people write gates. */
function gateJson(gate: LoadGate): Json {
  return {
    expect_rows: gate.expectRows ?? null,
    expect_tolerance: gate.expectTolerance,
    min_rows: gate.minRows ?? null,
    max_shrink: gate.maxShrink ?? null,
    require_keys: gate.requireKeys.map(({ key, value }) => ({
      key: key.toString('utf8'),
      value: value === undefined ? null : value.toString('utf8'),
    })),
  };
}

/** An event; fields that do not apply are null. */
export function eventJson(event: Event): Json {
  return {
    number: event.number,
    at: event.at,
    what: event.what,
    keyspace: orNull(event.keyspace),
    node: orNull(event.node),
    load: orNull(event.load),
    from: orNull(event.from),
    to: orNull(event.to),
    reason: orNull(event.reason),
    door: event.door,
    address: orNull(event.address),
    who: orNull(event.who),
  };
}

/** A line of the audit log. */
export function auditJson(entry: AuditEntry): Json {
  return {
    time: entry.time,
    process: entry.process,
    who: entry.who,
    from: entry.from,
    door: entry.door,
    what: entry.what,
    keyspace: orNull(entry.keyspace),
    about: orNull(entry.about),
    result: entry.result,
    count: entry.count,
    request_id: orNull(entry.requestId),
  };
}

export function loadJson(load: LoadStatus): Json {
  return {
    id: load.loadId,
    keyspace: load.keyspace,
    state: loadStateWord(load.state),
    mode: load.mode === LoadMode.APPEND ? 'append' : 'replace',
    source: load.source,
    input: load.input === '' ? null : load.input,
    owner: load.owner === undefined ? null : { ...load.owner },
    stage: load.stage === '' ? null : load.stage,
    rows: load.rows,
    rejected: load.rejected,
    bytes_done: load.bytesDone,
    bytes_total: load.bytesTotal,
    shards_done: load.shardsDone,
    shards_total: load.shardsTotal,
    version: load.version === 0 ? null : load.version,
    records: load.records,
    digest: load.digest.toString('hex'),
    started_at: load.startedAt,
    ended_at: load.endedAt === '' ? null : load.endedAt,
    reason: load.reason === '' ? null : load.reason,
    silent_ms: load.silentMs,
  };
}

export function masterJson(master: MasterSummary): Json {
  return {
    address: master.address,
    leads: master.leads,
    since: master.since === '' ? null : master.since,
    epoch: master.epoch,
    view_lag: master.viewLag,
    trouble: master.trouble === '' ? null : master.trouble,
    release: master.release ?? null,
  };
}

function nodeJson(summary: NodeSummary): Json {
  return {
    id: summary.node?.id ?? '',
    state: nodeStateWord(summary.node?.state ?? NodeState.UNSPECIFIED),
    incarnation: summary.node?.incarnation ?? '',
    address: addressJson(summary.node?.address),
    zone: summary.node?.zone ?? '',
    weight: summary.weight,
    progress: summary.progress,
    replicas: summary.replicas,
    segment_bytes: summary.segmentBytes,
    memory_limit_bytes: summary.memoryLimitBytes,
    resident_bytes: summary.residentBytes,
    disk_tier_bytes: summary.diskTierBytes,
    index_bytes: summary.indexBytes,
    cache_bytes: summary.cacheBytes,
    accounted_bytes: summary.accountedBytes,
    warming: warmingJson(summary.warming),
    disk_free_bytes: summary.diskFreeBytes,
    lookups_total: summary.lookupsTotal,
    silent_ms: summary.silentMs,
    trouble: summary.trouble,
    drain_left: summary.drainLeft,
    view_lag: summary.viewLag,
    virtual_nodes: summary.virtualNodes,
    release: summary.release ?? null,
  };
}

function warmingJson(warming: Warming | undefined): Json | null {
  if (warming === undefined) return null;
  const { bytesDone, bytesTotal, segmentsDone, segmentsTotal } = warming;
  const segments = { segments_done: segmentsDone, segments_total: segmentsTotal };
  return { ...segments, bytes_done: bytesDone, bytes_total: bytesTotal };
}

export function readCountersJson({ nodes, own }: GetReadCountersResponse): Json {
  return {
    nodes: nodes.map(({ counters, incarnation, nodeId, trouble }) => ({
      id: nodeId,
      incarnation,
      trouble: orNull(trouble),
      reads: counters === undefined ? null : readsJson(counters),
    })),
    own: own === undefined ? null : readsJson(own),
  };
}

export function readsJson(counters: ReadCounters): Json {
  const { cacheHits, failed, found, keyspaces, latency, notFound, valueBytes } = counters;
  return {
    found,
    not_found: notFound,
    failed,
    value_bytes: valueBytes,
    cache_hits: cacheHits,
    latency: [...latency],
    keyspaces: keyspaces.map((reads) => ({
      keyspace: orNull(reads.keyspace),
      found: reads.found,
      not_found: reads.notFound,
      value_bytes: reads.valueBytes,
      cache_hits: reads.cacheHits,
      disk_cache_hits: reads.diskCacheHits ?? 0,
      disk_cache_misses: reads.diskCacheMisses ?? 0,
    })),
  };
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}

function addressJson(address: NodeAddress | undefined): Json | null {
  if (address === undefined) return null;
  return {
    host: address.host,
    http_port: address.httpPort,
    resp_port: address.respPort,
    grpc_port: address.grpcPort,
  };
}

export function healthJson(health: GetHealthResponse): Json {
  const ofLeader = <Value>(value: Value): Value | null => (health.noLeader ? null : value);
  return {
    ...noLeaderJson(health),
    status: healthWord(health.status),
    ready: health.ready,
    reasons: health.reasons,
    warnings: health.warnings,
    replication: {
      target: health.replicationTarget,
      effective: health.replicationEffective,
      least: ofLeader(health.replicationLeast),
    },
    copies: ofLeader({ running: health.copiesRunning, failing: health.copiesFailing }),
    nodes: nodesJson(health),
    shards: {
      total: health.shardsTotal,
      active: health.shardsActive,
      under_replicated: ofLeader(health.shardsUnderReplicated),
      uncovered: health.uncovered.map((shard) => ({
        shard: shard.shard,
        slots: [shard.slotFirst, shard.slotLast],
        keyspaces: shard.keyspaces,
      })),
    },
    epoch: health.epoch,
    formats: health.formats === undefined ? null : { ...health.formats },
  };
}

function shardJson(shard: ShardSummary): Json {
  return {
    shard: shard.shard,
    slots: [shard.slotFirst, shard.slotLast],
    owners: shard.owners,
    holders: shard.holders,
    status: healthWord(shard.status),
    records: shard.records,
    bytes: shard.bytes,
  };
}

export function explainKeyJson(explained: ExplainResponse, key: Buffer): Json {
  const { keyspace, version, slot } = explained;
  return { keyspace, version, key: key.toString('utf8'), slot, ...placementJson(explained) };
}

export function explainShardJson(explained: ExplainResponse): Json {
  const { keyspace, version } = explained;
  return { keyspace, version, ...placementJson(explained) };
}

function placementJson(explained: ExplainResponse): Json {
  return {
    shard: explained.shard,
    owners: explained.replicas.filter((replica) => replica.owner).map((replica) => replica.nodeId),
    holders: explained.replicas.filter((replica) => replica.holds).map((replica) => replica.nodeId),
    served_by: explained.servedBy === '' ? null : explained.servedBy,
    segments: explained.segmentIds,
    replicas: explained.replicas.map((replica) => ({
      node: replica.nodeId,
      owner: replica.owner,
      holds: replica.holds,
      state: nodeStateWord(replica.state),
      reason: replica.reason,
    })),
  };
}
