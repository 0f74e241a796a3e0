// The view that datanodes, the front and topology-aware clients route by. Pure.
//
// A shard's route lists the nodes that can answer now, best first: those that hold the shard of
// every keyspace's current version, owners in ring order and then others; after them those that
// hold some keyspaces only (they answer UNAVAILABLE for the rest, and the caller goes on). One whose
// reads were found to fail comes last, and is shown as SUSPECT; one that has missed a heartbeat is
// listed only where nobody else has as much.

import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView, KeyspaceView, NodeView } from '../../proto/gen/stele/v1/view.ts';
import type { KeyspaceRecord } from '../catalog/records.ts';
import { balanceOf, ownedShards } from './balance.ts';
import { coverageOf } from './coverage.ts';
import type { Health } from './health.ts';
import { isServing } from './membership.ts';
import type { NodeStatus } from './membership.ts';
import { servingOf } from './serving.ts';
import { isInStep } from './world.ts';
import type { World } from './world.ts';

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
    routes: servingOf(world).routes.map((ids) => ({
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
      if (node.readsFail === true) return NodeState.SUSPECT;
      if (!world.draining.has(node.id)) return NodeState.SERVING;
      return isDrained(world, node) ? NodeState.DRAINED : NodeState.DRAINING;
  }
}

/** Drained: the owners without it serve and hold every kept version, so nobody needs its copies. */
function isDrained(world: World, node: NodeStatus): boolean {
  return isWhole(world) && !world.owners.some((owners) => owners.includes(node.id));
}

const whole = new WeakMap<World, boolean>();

/** Every owner has, verified and ready to serve, all that it is to have of every kept version. */
function isWhole(world: World): boolean {
  let known = whole.get(world);
  if (known === undefined) {
    const hasOwners = world.owners.every((owners) => owners.length > 0);
    known = world.datasets.length === 0 || (hasOwners && areOwnersWhole(world));
    whole.set(world, known);
  }
  return known;
}

function areOwnersWhole(world: World): boolean {
  for (const [id, { knows }] of coverageOf(world).nodes) {
    if (ownedShards(world, id).shards.length === 0) continue;
    const node = world.nodes.get(id);
    if (node === undefined || !isServing(node) || !isInStep(world, node)) return false;
    if (knows.includes(0) || balanceOf(world, id).lacks) return false;
  }
  return true;
}
