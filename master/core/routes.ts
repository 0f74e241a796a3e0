// The view that datanodes, the front and topology-aware clients route by. Pure.
//
// A shard's route lists the nodes that can answer now, best first: those that hold the shard of
// every keyspace's current version, owners in ring order and then others; after them those that
// hold some keyspaces only (they answer UNAVAILABLE for the rest, and the caller goes on).

import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView, KeyspaceView, NodeView } from '../../proto/gen/stele/v1/view.ts';
import type { KeyspaceRecord } from '../catalog/records.ts';
import type { Health } from './health.ts';
import { isServing } from './membership.ts';
import type { NodeStatus } from './membership.ts';
import { currentDatasets, holdsShard, isInStep, ownersOf, servesShard } from './world.ts';
import type { Dataset, World } from './world.ts';

export interface ViewKeyspace {
  readonly record: KeyspaceRecord;
  /** Kept versions, ascending. */
  readonly versions: readonly number[];
  readonly records: number;
}

/** The view without its revision (0): the caller numbers it when it differs from the last. */
export function buildView(
  world: World,
  health: Health,
  keyspaces: readonly ViewKeyspace[],
  epoch: number,
): ClusterView {
  const nodes = [...world.nodes.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  const indexById = new Map(nodes.map((node, index) => [node.id, index]));
  return {
    epoch,
    revision: 0,
    shardCount: world.shardCount,
    replication: world.replication,
    nodes: nodes.map((node) => nodeView(world, node)),
    routes: routeIds(world, nodes).map((ids) => ({
      nodes: ids.flatMap((id) => indexById.get(id) ?? []),
    })),
    keyspaces: keyspaces.map((keyspace) => keyspaceView(world, keyspace)),
    health: health.status,
    ready: health.ready,
  };
}

function keyspaceView(world: World, { record, versions, records }: ViewKeyspace): KeyspaceView {
  const resuming = world.resuming.has(record.uid);
  return {
    uid: record.uid,
    name: record.name,
    index: record.index,
    currentVersion: record.desired.currentVersion,
    versions: [...versions],
    records,
    ...(record.desired.suspended === true || resuming ? { suspended: true } : {}),
    ...(resuming ? { resuming } : {}),
    ...(record.desired.uncached === true ? { uncached: true } : {}),
  };
}

/** Ids by shard, best first. */
export function routeIds(world: World, nodes: readonly NodeStatus[]): string[][] {
  const datasets = currentDatasets(world);
  const serving = nodes.filter(isServing);
  return Array.from({ length: world.shardCount }, (_unused, shard) =>
    routeOfShard(world, datasets, serving, shard),
  );
}

function routeOfShard(
  world: World,
  datasets: readonly Dataset[],
  serving: readonly NodeStatus[],
  shard: number,
): string[] {
  const owners = world.owners[shard] ?? [];
  const ranked = serving.flatMap((node) => {
    const held = datasets.filter((dataset) => servesShard(world, node, dataset, shard)).length;
    const owner = owners.indexOf(node.id);
    const useful =
      owner >= 0 ? held > 0 || datasets.length === 0 : holdsAnything(world, datasets, node, shard);
    return useful ? [{ id: node.id, missing: datasets.length - held, owner }] : [];
  });
  ranked.sort(
    (left, right) =>
      left.missing - right.missing || rankOfOwner(left.owner) - rankOfOwner(right.owner),
  );
  return ranked.map((entry) => entry.id);
}

function rankOfOwner(owner: number): number {
  return owner < 0 ? Number.MAX_SAFE_INTEGER : owner;
}

/** A node that is no owner is listed only for bytes it really has, not for an empty shard. */
function holdsAnything(
  world: World,
  datasets: readonly Dataset[],
  node: NodeStatus,
  shard: number,
): boolean {
  return datasets.some(
    (dataset) =>
      (dataset.segmentsByShard[shard]?.length ?? 0) > 0 && servesShard(world, node, dataset, shard),
  );
}

export function nodeView(world: World, node: NodeStatus): NodeView {
  return {
    id: node.id,
    incarnation: node.incarnation,
    address: { ...node.address },
    zone: node.zone,
    state: nodeState(world, node),
  };
}

/** The state that is shown: liveness, and for a living node the progress of its drain. */
export function nodeState(world: World, node: NodeStatus): NodeState {
  switch (node.liveness) {
    case 'UNKNOWN':
    case 'SUSPECT':
      return NodeState.SUSPECT;
    case 'DOWN':
      return NodeState.DOWN;
    case 'INITIALIZING':
      return NodeState.INITIALIZING;
    case 'SERVING':
      if (!world.draining.has(node.id)) return NodeState.SERVING;
      return isDrained(world, node) ? NodeState.DRAINED : NodeState.DRAINING;
  }
}

/** Drained: the owners without it serve and hold every kept version, so nobody needs its copies. */
function isDrained(world: World, node: NodeStatus): boolean {
  for (const dataset of world.datasets) {
    for (let shard = 0; shard < world.shardCount; shard++) {
      const owners = ownersOf(world, dataset, shard);
      if (owners.length === 0) return false;
      const complete = owners.every((id) => {
        const owner = world.nodes.get(id);
        return owner !== undefined && holdsInStep(world, owner, dataset, shard);
      });
      if (!complete) return false;
    }
  }
  return !world.owners.some((owners) => owners.includes(node.id));
}

function holdsInStep(world: World, owner: NodeStatus, dataset: Dataset, shard: number): boolean {
  if (!isServing(owner) || !isInStep(world, owner)) return false;
  const holdings = world.holdings.get(owner.id);
  return holdings?.manifests.has(dataset.ref) === true && holdsShard(holdings, dataset, shard);
}
