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
import { shardBits, unansweredShards } from './readiness.ts';
import { servingOf } from './serving.ts';
import type { Serving } from './serving.ts';
import { isInStep, replicationMax } from './world.ts';
import type { World } from './world.ts';

export interface ViewKeyspace {
  readonly record: KeyspaceRecord;
  /** Kept versions, ascending. */
  readonly versions: readonly number[];
  /** Of `versions`, in their order. */
  readonly fingerprints: readonly string[];
  readonly records: number;
}

/**
 * The view without its revision (0): the caller numbers it when it differs from the last. From `before`
 * comes what is the same in both, as the same values.
 */
export function buildView(
  world: World,
  health: Health,
  keyspaces: readonly ViewKeyspace[],
  { settled, ...leader }: Pick<ClusterView, 'epoch' | 'term' | 'settled'>,
  before?: ClusterView,
): ClusterView {
  const nodes = [...world.nodes.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  return {
    ...leader,
    revision: 0,
    shardCount: world.shardCount,
    replication: world.replication,
    nodes: nodes.map((node, at) => sameNodeView(before?.nodes[at], nodeView(world, node))),
    routes: routesOf(servingOf(world).routes, nodes, before),
    keyspaces: keyspaces.map((keyspace) => keyspaceView(world, keyspace)),
    health: health.status,
    ready: health.ready,
    ...(settled === true ? { settled } : {}),
  };
}

/** What the routes of a view were made of. */
interface RouteNames {
  readonly routes: Serving['routes'];
  readonly nodeIds: readonly string[];
}

const names = new WeakMap<ClusterView['routes'], RouteNames>();

function routesOf(
  routes: Serving['routes'],
  nodes: readonly NodeStatus[],
  before: ClusterView | undefined,
): ClusterView['routes'] {
  const known = before && names.get(before.routes);
  const isSame = nodes.length === known?.nodeIds.length && isInOrder(nodes, known.nodeIds);
  if (isSame && known.routes === routes) return before?.routes ?? [];
  const indexById = new Map(nodes.map((node, index) => [node.id, index]));
  const messages = routes.map((ids, shard) => {
    const was = isSame && known.routes[shard] === ids ? before?.routes[shard] : undefined;
    return was ?? { nodes: ids.flatMap((id) => indexById.get(id) ?? []) };
  });
  names.set(messages, { routes, nodeIds: nodes.map(({ id }) => id) });
  return messages;
}

function isInOrder(nodes: readonly NodeStatus[], ids: readonly string[]): boolean {
  return nodes.every(({ id }, at) => id === ids[at]);
}

function keyspaceView(
  world: World,
  { fingerprints, record, records, versions }: ViewKeyspace,
): KeyspaceView {
  const resuming = world.resuming.has(record.uid);
  const suspended = record.desired.suspended === true || resuming;
  const unserved = suspended ? [] : unansweredShards(world, record.uid);
  return {
    uid: record.uid,
    name: record.name,
    index: record.index,
    currentVersion: record.desired.currentVersion,
    versions: [...versions],
    fingerprints: [...fingerprints],
    records,
    ...(suspended ? { suspended } : {}),
    ...(resuming ? { resuming } : {}),
    ...(record.desired.uncached === true ? { uncached: true } : {}),
    ...(unserved.length > 0 ? { unserved: shardBits(unserved, world.shardCount) } : {}),
  };
}

/** `before` where it says the same. */
function sameNodeView(before: NodeView | undefined, now: NodeView): NodeView {
  const left = before?.address;
  const right = now.address;
  const isSame =
    before?.id === now.id &&
    before.incarnation === now.incarnation &&
    before.zone === now.zone &&
    before.state === now.state &&
    left?.host === right?.host &&
    left?.httpPort === right?.httpPort &&
    left?.respPort === right?.respPort &&
    left?.grpcPort === right?.grpcPort;
  return isSame ? before : now;
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

/**
 * The state that is shown: liveness, and the progress of a drain. A node that is drained stays so when
 * it stops: nobody needs its copies, and it can be removed.
 */
export function nodeState(world: World, node: NodeStatus): NodeState {
  const isDraining = world.draining.has(node.id);
  if (isDraining && !isServing(node) && isDrained(world, node)) return NodeState.DRAINED;
  switch (node.liveness) {
    case 'UNKNOWN':
    case 'SUSPECT':
      return NodeState.SUSPECT;
    case 'DOWN':
      return NodeState.DOWN;
    case 'INITIALIZING':
      return NodeState.INITIALIZING;
    case 'SERVING':
      if (node.readsFail) return NodeState.SUSPECT;
      if (!isDraining) return NodeState.SERVING;
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
    known = world.datasets.length === 0 || (hasOwnersEnough(world) && areOwnersWhole(world));
    whole.set(world, known);
  }
  return known;
}

/** False while a node that is down, and was not removed, leaves fewer owners than copies are wanted. */
function hasOwnersEnough(world: World): boolean {
  const staying = world.nodes.size - world.draining.size;
  const wanted = Math.max(1, Math.min(replicationMax(world), staying));
  return world.owners.every((owners) => owners.length >= wanted);
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
