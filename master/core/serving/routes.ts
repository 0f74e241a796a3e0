// The view that datanodes, the front and topology-aware clients route by. Pure.
//
// A shard's route lists the nodes that can answer now, best first: those that hold the shard of
// every keyspace's current version, owners in ring order and then others; after them those that
// hold some keyspaces only (they return UNAVAILABLE for the rest, and the caller tries the next). A
// node whose reads fail comes last and is shown as SUSPECT. A node that has missed a heartbeat is
// listed only if no other has as much.

import { NodeState, Tier } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterView, KeyspaceView, NodeView } from '../../../proto/gen/stele/v1/view.ts';
import { balanceOf, ownedShards } from './balance.ts';
import { coverageOf } from './coverage.ts';
import type { Health } from './health.ts';
import type { ViewKeyspace } from '../world/datasets.ts';
import { isServing } from '../world/membership.ts';
import type { NodeStatus } from '../world/membership.ts';
import { shardBits, unansweredShards } from './readiness.ts';
import { servingOf } from './serving.ts';
import type { Serving } from './serving.ts';
import { isInStep, replicationMax } from '../world/world.ts';
import type { World } from '../world/world.ts';

/**
 * The view with revision 0; the caller numbers it if it differs from the last one. Values equal to
 * those of `before` are shared with it.
 */
export function buildView(
  world: World,
  health: Health,
  keyspaces: readonly ViewKeyspace[],
  {
    settled,
    ...leader
  }: Pick<ClusterView, 'epoch' | 'term' | 'clusterId' | 'accessDigest' | 'settled'>,
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

/** The inputs of a view's routes. */
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
    ...(record.desired.tier === 'disk' ? { tier: Tier.DISK } : {}),
    ...(unserved.length > 0 ? { unserved: shardBits(unserved, world.shardCount) } : {}),
  };
}

/** Returns `before` if equal. */
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
 * The state shown to users: liveness, and the progress of a drain. A drained node stays drained
 * when it stops: its copies are not needed, and it can be removed.
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

/**
 * Whether the owners without this node serve and hold every kept version, so that its copies are
 * not needed.
 */
function isDrained(world: World, node: NodeStatus): boolean {
  return isWhole(world) && !world.owners.some((owners) => owners.includes(node.id));
}

const whole = new WeakMap<World, boolean>();

/**
 * Whether every owner is ready to serve all that it should have of every kept version, verified.
 */
function isWhole(world: World): boolean {
  let known = whole.get(world);
  if (known === undefined) {
    known = world.datasets.length === 0 || (hasOwnersEnough(world) && areOwnersWhole(world));
    whole.set(world, known);
  }
  return known;
}

/**
 * False while a node that is down, and was not removed, leaves fewer owners than copies are wanted.
 */
function hasOwnersEnough(world: World): boolean {
  const staying = world.nodes.size - world.draining.size;
  const wanted = Math.max(1, Math.min(replicationMax(world), staying));
  return world.owners.every((owners) => owners.length >= wanted);
}

function areOwnersWhole(world: World): boolean {
  for (const [id, { hasManifest }] of coverageOf(world).nodes) {
    if (ownedShards(world, id).shards.length === 0) continue;
    const node = world.nodes.get(id);
    if (node === undefined || !isServing(node) || !isInStep(world, node)) return false;
    if (hasManifest.includes(0) || balanceOf(world, id).lacks) return false;
  }
  return true;
}
