// Orders and states of a scenario as text, one fact a line, in an order that does not depend on
// chance.

import { healthWord, nodeStateWord } from '../../../proto/view-words.ts';
import type { ControlState } from '../../../master/core/control-state.ts';
import type { ControlOrders } from '../../../master/core/control.ts';
import { observedOf } from '../../../master/core/plans/keyspace-loop.ts';
import { explainCopy } from '../../../master/core/questions/explain.ts';
import { nodeState } from '../../../master/core/serving/routes.ts';
import { holdsShard, ownersOf } from '../../../master/core/world/world.ts';

/** `0-3, 7` */
export function ranges(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].sort((left, right) => left - right);
  const parts: string[] = [];
  for (let at = 0; at < sorted.length; at++) {
    const first = sorted[at]!;
    while (sorted[at + 1] === sorted[at]! + 1) at++;
    parts.push(first === sorted[at] ? String(first) : `${first}-${sorted[at]}`);
  }
  return parts.join(', ');
}

/** `00003-v2` of uid `prices` -> [`prices/2`, 3] */
function placeOf(uid: string, segmentId: string): readonly [string, number] {
  const [, shard = '0', version = '?'] = /^(\d+)-v(\d+)$/.exec(segmentId) ?? [];
  return [`${uid}/${version}`, Number(shard)];
}

function sortedByName<Value>(named: ReadonlyMap<string, Value>): [string, Value][] {
  return [...named].sort(([left], [right]) => (left < right ? -1 : 1));
}

function byVersion(names: readonly (readonly [string, string])[]): string[] {
  const shards = new Map<string, number[]>();
  for (const [uid, segmentId] of names) {
    const [version, shard] = placeOf(uid, segmentId);
    shards.set(version, [...(shards.get(version) ?? []), shard]);
  }
  return sortedByName(shards).map(([version, list]) => `${version} ${ranges(list)}`);
}

export function describeOrders(orders: ControlOrders): string[] {
  const lines: string[] = [];
  if (orders.view !== undefined) {
    const { health, ready, revision } = orders.view;
    lines.push(`view ${revision}: ${healthWord(health)}, ${ready ? 'ready' : 'not ready'}`);
  }
  const copies = new Map<string, (readonly [string, string])[]>();
  for (const { segment, sources, target, uid } of orders.copies) {
    const route = `copy to ${target} from ${sources.join(', ')}`;
    copies.set(route, [...(copies.get(route) ?? []), [uid, segment.id]]);
  }
  lines.push(
    ...sortedByName(copies).map(([route, names]) => `${route}: ${byVersion(names).join('; ')}`),
  );
  for (const { node, segments, versions } of orders.drops) {
    const names = byVersion(segments.map(({ segmentId, uid }) => [uid, segmentId]));
    const whole = versions.map(({ ref }) => `manifest ${ref}`);
    lines.push(`drop on ${node}: ${[...names, ...whole].join('; ')}`);
  }
  lines.push(...orders.forget.versions.map(({ ref }) => `forget ${ref}`));
  lines.push(...orders.forget.keyspaces.map((uid) => `forget keyspace ${uid}`));
  lines.push(
    ...orders.observed.map(({ repairing, state, uid }) => noteLine(uid, state, repairing)),
  );
  for (const { part, thrown } of orders.faults) lines.push(`${part} threw: ${String(thrown)}`);
  if (orders.resync) lines.push('give the view to all once more');
  if (orders.unknownSegments > 0)
    lines.push(`${orders.unknownSegments} unknown segments, left alone`);
  return lines.length === 0 ? ['nothing to do'] : lines;
}

type Repairing = NonNullable<ControlOrders['observed'][number]['repairing']>;

function noteLine(uid: string, state: string, repairing: Repairing | undefined): string {
  if (repairing === undefined) return `note ${uid}: ${state}`;
  const { attempts, error, from, needsPerson } = repairing;
  const call = needsPerson ? ', needs a person' : '';
  return `note ${uid}: ${state} from ${from}, attempt ${attempts}${call}: ${error}`;
}

export function describeNodes({ world }: ControlState): string[] {
  const nodes = [...world.nodes.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  return nodes.map((node) => {
    const holdings = world.holdings.get(node.id);
    const names = [...(holdings?.segments ?? [])].flatMap(([uid, ids]) =>
      [...ids].map((id) => [uid, id] as const),
    );
    const held = byVersion(names).join('; ') || 'nothing';
    return `${node.id} ${nodeStateWord(nodeState(world, node))}, holds ${held}`;
  });
}

export function describeHealth({ health }: ControlState): string[] {
  const { ready, replicationEffective, replicationLeast, replicationTarget, shards, status } =
    health;
  const uncovered = shards.filter((shard) => shard.uncovered.length > 0);
  const least =
    replicationLeast < replicationEffective ? `, some shards have ${replicationLeast}` : '';
  const copies = `${replicationEffective} of ${replicationTarget} copies${least}`;
  return [
    `${healthWord(status)}, ${ready ? 'ready' : 'not ready'}, ${copies}`,
    ...uncovered.map((shard) => `shard ${shard.shard} uncovered: ${shard.uncovered.join(', ')}`),
  ];
}

export function describeRoutes({ view }: ControlState): string[] {
  return view.routes.map(
    ({ nodes }, shard) =>
      `${shard}: ${nodes.map((at) => view.nodes[at]?.id).join(' ') || 'nobody'}`,
  );
}

export function describeKeyspaces({ catalog, loops, view, world }: ControlState): string[] {
  return [...catalog.keyspace.values()].map(({ uid }) => {
    const loop = loops.get(uid);
    const seen = view.keyspaces.find((keyspace) => keyspace.uid === uid);
    const { repairing, state } =
      loop === undefined
        ? { repairing: undefined, state: 'not looked at yet' }
        : observedOf(uid, loop, world.nowMs, () => 'soon');
    const versions =
      seen === undefined ? '' : `, current ${seen.currentVersion} of ${seen.versions.join(' ')}`;
    const refused = seen?.suspended === true ? ', reads refused' : '';
    const inView = seen === undefined ? ', not in the view' : `${versions}${refused}`;
    const why = repairing === undefined ? '' : ` from ${repairing.from}: ${repairing.error}`;
    return `${uid} ${state}${inView}${why}`;
  });
}

/**
 * Why each copy of a shard of the keyspace's current version is where it is, or what it waits for.
 */
export function describeCopies(
  { inFlight, world }: ControlState,
  uid: string,
  shard: number,
): string[] {
  const dataset = world.datasets.find((one) => one.uid === uid && one.current);
  const owners = dataset === undefined ? [] : ownersOf(world, dataset, shard);
  const nodes = [...world.nodes.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  return nodes.flatMap((node) => {
    const isOwner = owners.includes(node.id);
    const holds = dataset !== undefined && holdsShard(world.holdings.get(node.id), dataset, shard);
    if (!isOwner && !holds) return [];
    return [`${node.id}: ${explainCopy(world, inFlight, node, dataset, shard, isOwner)}`];
  });
}
