// Reports of the operations: the leader's state in the messages of stele.v1. Read only.

import { exposureText } from '../../access/exposure.ts';
import { isLoopback } from '../../base/address.ts';
import { virtualNodeCount } from '../../ring/ring.ts';
import { slotRangeOfShard } from '../../ring/shard.ts';
import type {
  ExplainReplica,
  ExplainResponse,
  GetHealthResponse,
  KeyspaceSummary,
  NodeSummary,
  ShardSummary,
  VersionSummary,
} from '../../proto/gen/stele/v1/cluster.ts';
import { HealthStatus, NodeState } from '../../proto/gen/stele/v1/view.ts';
import { tierNumber } from '../../proto/view-words.ts';
import { gateMessage } from '../catalog/gate.ts';
import {
  epochOf,
  isGhost,
  isHeld,
  keepOf,
  requireKeyspace,
  versionsOf,
} from '../catalog/queries.ts';
import { appendMessage } from '../catalog/messages.ts';
import { RECORD_FORMAT, versionId } from '../catalog/records.ts';
import type { EventRecord, KeyspaceRecord, ManifestRecord } from '../catalog/records.ts';
import { segmentFormatOf } from '../catalog/segment-format.ts';
import { versionBefore } from '../catalog/version-transitions.ts';
import { lackedShards, ownedShards } from '../core/serving/balance.ts';
import { coverageOf } from '../core/serving/coverage.ts';
import { explainCopy } from '../core/questions/explain.ts';
import { isServing } from '../core/world/membership.ts';
import type { NodeStatus } from '../core/world/membership.ts';
import { countCopies } from '../core/plans/repair.ts';
import { nodeState, nodeView } from '../core/serving/routes.ts';
import {
  currentDatasets,
  eligibleNodes,
  holdsShard,
  ownersOf,
  servesShard,
} from '../core/world/world.ts';
import type { Dataset, World } from '../core/world/world.ts';
import { actorText, movesOf } from '../loads/event-report.ts';
import type { Leader } from '../control/leader.ts';

/** `openHost`: where this master listens, if there are no users. */
export function describeHealth(
  leader: Leader,
  reached: boolean,
  openHost?: string,
): GetHealthResponse {
  const { health, world } = leader;
  const underReplicated = health.shards.filter(({ status }) => status === HealthStatus.YELLOW);
  const uncovered = health.shards.filter(({ status }) => status === HealthStatus.RED);
  const copies = countCopies(leader.inFlight);
  const nodes = describeNodes(leader);
  return {
    status: health.status,
    reached,
    replicationTarget: health.replicationTarget,
    replicationEffective: health.replicationEffective,
    epoch: epochOf(leader.catalog.state),
    shardsTotal: world.shardCount,
    shardsActive: world.shardCount - uncovered.length,
    shardsUnderReplicated: underReplicated.length,
    uncovered: uncovered.map(({ shard, uncovered: keyspaces }) => {
      const range = slotRangeOfShard(shard, world.shardCount);
      return { shard, slotFirst: range.first, slotLast: range.last, keyspaces: [...keyspaces] };
    }),
    nodes,
    ready: health.ready,
    replicationLeast: health.replicationLeast,
    copiesRunning: copies.running,
    copiesFailing: copies.failing,
    reasons: reasonsOf(leader),
    warnings: openHost === undefined ? [] : exposureWarnings(openHost, nodes),
    formats: { segment: segmentFormatOf(leader.catalog.state), catalog: RECORD_FORMAT },
  };
}

/** All processes have users, or none. */
function exposureWarnings(openHost: string, nodes: readonly NodeSummary[]): string[] {
  const hosts = [openHost, ...nodes.map(({ node }) => node?.address?.host ?? 'localhost')];
  const exposed = [...new Set(hosts.filter((host) => !isLoopback(host)))];
  return exposed.length === 0 ? [] : [exposureText(exposed)];
}

/** The reasons other than missing copies why the health is not GREEN. */
function reasonsOf(leader: Leader): string[] {
  const { world } = leader;
  const nodes = [...world.nodes.values()].filter(isServing);
  const reasons = nodes.flatMap((node) => {
    // While a master does not lead, no node has a view of it.
    const isLate = leader.isLeading && world.late.has(node.id);
    const ofView = isLate ? viewTrouble(leader, node) : '';
    const troubles = [readsTrouble(node), ofView].filter((trouble) => trouble !== '');
    return troubles.length === 0 ? [] : [`datanode ${node.id}: ${troubles.join('; ')}`];
  });
  const [leaver] = nodes;
  if (leaver !== undefined && eligibleNodes(world).length === 0) {
    reasons.push(
      `every datanode that serves is being drained, so no copy is safe; keep one with \`stele node resume ${leaver.id}\``,
    );
  }
  if (world.awaitsUnknownNodes) {
    reasons.push('the catalog is an older copy: datanodes that it does not know may yet register');
  }
  if (!leader.isLeading) {
    reasons.push('the epoch of this start of the master cannot be saved: it only answers reads');
  }
  return reasons.sort();
}

export function describeKeyspaces(leader: Leader): KeyspaceSummary[] {
  const { state } = leader.catalog;
  const known = [...state.keyspace.values()].filter((keyspace) => !isGhost(state, keyspace));
  const summaries = known.map((keyspace): KeyspaceSummary => {
    const current = state.version.get(versionId(keyspace.uid, keyspace.desired.currentVersion));
    return {
      name: keyspace.name,
      uid: keyspace.uid,
      index: keyspace.index,
      ...stateOf(leader, keyspace),
      currentVersion: keyspace.desired.currentVersion,
      records: current?.records ?? 0,
      keyBytes: current?.keyBytes ?? 0,
      valueBytes: current?.valueBytes ?? 0,
      segmentBytes: current?.segmentBytes ?? 0,
      digest: Buffer.from(current?.digest ?? '', 'hex'),
      replication: keyspace.desired.replication || leader.world.replication,
      createdAt: keyspace.createdAt,
      committedAt: current?.committedAt ?? '',
      keep: keepOf(keyspace),
      uncached: keyspace.desired.uncached ?? false,
      tier: tierNumber(keyspace.desired.tier ?? 'memory'),
      moving: leader.tierProgress(keyspace),
    };
  });
  return summaries.sort((left, right) => left.index - right.index);
}

/** The highest number of deltas of any shard. */
function deltasOf(manifest: ManifestRecord | undefined): number {
  const counts = new Map<number, number>();
  for (const { shard } of manifest?.segments ?? []) counts.set(shard, (counts.get(shard) ?? 0) + 1);
  return Math.max(0, ...[...counts.values()].map((count) => count - 1));
}

function stateOf(
  leader: Leader,
  keyspace: KeyspaceRecord,
): Pick<KeyspaceSummary, 'state' | 'repairing'> {
  const observed = leader.observed(keyspace.uid);
  if (observed === undefined) return { state: keyspace.state };
  const { repairing, state } = observed;
  return { state, ...(repairing === undefined ? {} : { repairing }) };
}

function becameCurrent(
  move: EventRecord | undefined,
): Pick<VersionSummary, 'currentSince' | 'currentBy'> {
  if (move === undefined) return { currentSince: '', currentBy: '' };
  return { currentSince: move.at, currentBy: `${move.what} by ${actorText(move)}` };
}

/** Versions that can be read, rolled back to or promoted, and those that are being removed. */
export function describeVersions(leader: Leader, name: string): VersionSummary[] {
  const { state } = leader.catalog;
  const keyspace = requireKeyspace(state, name);
  const before = versionBefore(state, keyspace);
  const moves = movesOf(leader, keyspace.uid);
  return versionsOf(state, keyspace.uid)
    .filter((version) => isHeld(version) || version.state === 'RETIRED')
    .map((version) => ({
      version: version.number,
      ...becameCurrent(moves.get(version.number)),
      current: version.number === keyspace.desired.currentVersion,
      state: version.state,
      records: version.records,
      keyBytes: version.keyBytes,
      valueBytes: version.valueBytes,
      segmentBytes: version.segmentBytes,
      digest: Buffer.from(version.digest, 'hex'),
      source: version.source,
      input: version.input ?? '',
      committedAt: version.committedAt,
      loadId: version.loadId,
      reason: version.rejection ?? '',
      gate: version.gate === undefined ? undefined : gateMessage(version.gate),
      rollbackTarget: version.number === before,
      append: version.append && appendMessage(version.append),
      deltas: deltasOf(state.manifest.get(versionId(keyspace.uid, version.number))),
    }));
}

export function describeNodes(leader: Leader): NodeSummary[] {
  const { world } = leader;
  const nodes = [...world.nodes.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  return nodes.map((node) => describeNode(leader, node));
}

function describeNode(leader: Leader, node: NodeStatus): NodeSummary {
  const { world } = leader;
  const stats = node.report?.stats;
  const { verifyBytesDone = 0, verifyBytesTotal = 0 } = node.report ?? {};
  return {
    node: nodeView(world, node),
    replicas: countReplicas(world, node),
    segmentBytes: stats?.segmentBytes ?? 0,
    memoryLimitBytes: stats?.memoryLimitBytes ?? 0,
    diskFreeBytes: stats?.diskFreeBytes ?? 0,
    residentBytes: stats?.residentBytes ?? 0,
    diskTierBytes: stats?.diskTierBytes ?? 0,
    indexBytes: stats?.indexBytes ?? 0,
    cacheBytes: stats?.cacheBytes ?? 0,
    accountedBytes: stats?.accountedBytes ?? 0,
    warming: isServing(node) ? node.report?.warming : undefined,
    progress: isServing(node) ? 1 : verifyBytesTotal > 0 ? verifyBytesDone / verifyBytesTotal : 0,
    lookupsTotal: stats?.lookupsTotal ?? 0,
    weight: node.weight,
    virtualNodes: virtualNodeCount(world.virtualNodes, node.weight, world.shardCount),
    drainLeft: drainLeft(world, node),
    silentMs: node.misses === 0 ? 0 : Math.round(leader.nowMs() - node.lastSeenMs),
    trouble: troubleOf(node, viewTrouble(leader, node)),
    viewLag: leader.viewLag(node.id),
    release: node.report?.release,
  };
}

/** Copies that the owners without this node still lack, of the shards that it holds. */
function drainLeft(world: World, node: NodeStatus): number {
  if (nodeState(world, node) !== NodeState.DRAINING) return 0;
  const { nodes } = coverageOf(world);
  const own = nodes.get(node.id)?.shares ?? [];
  let left = 0;
  for (const [id, { shares }] of nodes) {
    const owned = ownedShards(world, id);
    if (owned.shards.length === 0) continue;
    for (const [at, share] of shares.entries()) {
      const held = new Set(own[at]?.whole);
      if (held.size === 0) continue;
      const lacked = lackedShards(share, owned, world.datasets[at]?.replication ?? 0);
      left += lacked.filter((shard) => held.has(shard)).length;
    }
  }
  return left;
}

/** The problem of a node that answers its heartbeats; empty if it has none. */
function troubleOf(node: NodeStatus, ofView: string): string {
  if (!isServing(node)) return '';
  const disk = node.report?.diskTrouble;
  const troubles = [
    readsTrouble(node),
    disk?.full === true ? 'disk full' : '',
    disk === undefined || disk.writeError === '' ? '' : `disk fails: ${disk.writeError}`,
    ofView,
  ];
  return troubles.filter((trouble) => trouble !== '').join('; ');
}

function readsTrouble({ readsError = '', readsFail }: NodeStatus): string {
  if (!readsFail) return '';
  return readsError === '' ? 'reads fail' : `reads fail: ${readsError}`;
}

function viewTrouble({ sync, world }: Leader, { id }: NodeStatus): string {
  const trouble = sync.troubleOf(id);
  return trouble === '' && world.late.has(id) ? 'has not taken the present view yet' : trouble;
}

/** The number of verified segments that the node holds, of whatever version. */
function countReplicas(world: World, node: NodeStatus): number {
  const holdings = world.holdings.get(node.id);
  let count = 0;
  for (const ids of holdings?.segments.values() ?? []) count += ids.size;
  return count;
}

export function describeShards(leader: Leader): ShardSummary[] {
  const { world, health } = leader;
  const datasets = currentDatasets(world);
  const sizes = shardSizes(leader);
  return health.shards.map(({ shard, status }) => {
    const range = slotRangeOfShard(shard, world.shardCount);
    const owners = [...(world.owners[shard] ?? [])];
    return {
      shard,
      slotFirst: range.first,
      slotLast: range.last,
      owners,
      holders: holdersOf(world, datasets, shard, owners),
      status,
      records: sizes.records[shard] ?? 0,
      bytes: sizes.bytes[shard] ?? 0,
    };
  });
}

/** The sizes of the current versions of all keyspaces, by shard. */
function shardSizes({ catalog, world }: Leader): { records: Float64Array; bytes: Float64Array } {
  const records = new Float64Array(world.shardCount);
  const bytes = new Float64Array(world.shardCount);
  for (const { desired, uid } of catalog.state.keyspace.values()) {
    const manifest = catalog.state.manifest.get(versionId(uid, desired.currentVersion));
    for (const segment of manifest?.segments ?? []) {
      records[segment.shard] = (records[segment.shard] ?? 0) + segment.records;
      bytes[segment.shard] = (bytes[segment.shard] ?? 0) + segment.fileBytes;
    }
  }
  return { records, bytes };
}

function holdersOf(
  world: World,
  datasets: readonly Dataset[],
  shard: number,
  owners: readonly string[],
): string[] {
  if (datasets.length === 0) return [];
  return [...world.nodes.values()]
    .filter((node) => datasets.every((dataset) => servesShard(world, node, dataset, shard)))
    .map((node) => node.id)
    .sort((left, right) => rank(owners, left) - rank(owners, right));
}

function rank(owners: readonly string[], nodeId: string): number {
  const index = owners.indexOf(nodeId);
  return index < 0 ? owners.length : index;
}

/**
 * Where a shard of a keyspace should be, which nodes have it, and why. `slot` is the one asked
 * about.
 */
export function explainShard(
  leader: Leader,
  keyspace: KeyspaceRecord,
  shard: number,
  slot: number,
): ExplainResponse {
  const { world } = leader;
  const version = keyspace.desired.currentVersion;
  const dataset = world.datasets.find(
    (other) => other.uid === keyspace.uid && other.version === version,
  );
  const view = leader.current();
  const servedBy = (view.routes[shard]?.nodes ?? [])
    .flatMap((index) => world.nodes.get(view.nodes[index]?.id ?? '') ?? [])
    .find((node) => dataset !== undefined && servesShard(world, node, dataset, shard));
  const owners =
    dataset === undefined ? (world.owners[shard] ?? []) : ownersOf(world, dataset, shard);
  const replicas = [...world.nodes.values()]
    .map((node) => explainReplica(leader, node, dataset, shard, owners))
    .filter((replica) => replica.owner || replica.holds)
    .sort((left, right) => rank(owners, left.nodeId) - rank(owners, right.nodeId));
  return {
    keyspace: keyspace.name,
    version,
    slot,
    shard,
    replicas,
    servedBy: servedBy?.id ?? '',
    segmentIds: (dataset?.segmentsByShard[shard] ?? []).map(({ id }) => id),
  };
}

function explainReplica(
  leader: Leader,
  node: NodeStatus,
  dataset: Dataset | undefined,
  shard: number,
  owners: readonly string[],
): ExplainReplica {
  const { world } = leader;
  const owner = owners.includes(node.id);
  const hasSegments = (dataset?.segmentsByShard[shard]?.length ?? 0) > 0;
  const holds =
    dataset !== undefined &&
    (hasSegments || owner) &&
    holdsShard(world.holdings.get(node.id), dataset, shard);
  const state = nodeState(world, node);
  const reason = explainCopy(world, leader.inFlight, node, dataset, shard, owner);
  return { nodeId: node.id, owner, holds, state, reason };
}
