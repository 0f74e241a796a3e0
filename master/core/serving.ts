// Who can answer for what: health, routes, repair and the keyspaces' loops read it. Pure.
//
// It is remembered with its world, and taken over from the world before: where no node has another state,
// other holdings or other owners nothing is counted at all, and where a few have, only their part of it.

import { followOwners } from './balance.ts';
import { coverageOf, follow } from './coverage.ts';
import type { Coverage } from './coverage.ts';
import { isServing, takesSegments } from './membership.ts';
import { countTally } from './tally.ts';
import type { Contribution, Holder, Tally } from './tally.ts';
import { isInStep } from './world.ts';
import type { World } from './world.ts';

/** The same value from turn to turn for as long as it holds: what follows from it can be remembered with it. */
export interface Serving extends Pick<Tally, 'answering' | 'holding'> {
  /** The shards that nobody can answer for, or holds, in the two lists of that name. */
  readonly unanswered: readonly (readonly number[])[];
  readonly unheld: readonly (readonly number[])[];
  /** By shard: ids of nodes that can answer for something, best first (routes.ts). */
  readonly routes: readonly (readonly string[])[];
}

interface Remembered {
  readonly serving: Serving;
  readonly tally: Tally;
  /** What it was counted from. */
  readonly coverage: Coverage;
  readonly datasets: World['datasets'];
  readonly owners: World['owners'];
  readonly states: States;
}

const remembered = new WeakMap<World, Remembered>();

export function servingOf(world: World): Serving {
  return (remembered.get(world) ?? remember(world, undefined)).serving;
}

/** `world` came from `before`: what is the same in both is not looked at, nor counted, again. */
export function followWorld(before: World, world: World): void {
  follow(before, world);
  followOwners(before.owners, world.owners);
  remember(world, remembered.get(before));
}

function remember(world: World, before: Remembered | undefined): Remembered {
  const { datasets, owners } = world;
  const coverage = coverageOf(world);
  const states = statesOf(world);
  const isSame =
    before?.coverage === coverage &&
    isSameStates(before.states, states) &&
    before.datasets === datasets &&
    before.owners === owners;
  const counted = isSame ? before : count(world, before);
  const entry = { ...counted, coverage, states, datasets, owners };
  remembered.set(world, entry);
  return entry;
}

/** What heartbeats say, as far as anything here, or anything remembered with it, depends on it. */
interface States {
  /** Five bits a node, in the order of the nodes. */
  readonly bits: Uint8Array;
  readonly parked: string;
}

function statesOf(world: World): States {
  const bits = new Uint8Array(world.nodes.size);
  let parked = '';
  let at = 0;
  for (const node of world.nodes.values()) {
    bits[at++] =
      Number(isServing(node)) |
      (Number(isInStep(world, node)) << 1) |
      (Number(node.liveness === 'SUSPECT') << 2) |
      (Number(node.readsFail) << 3) |
      (Number(takesSegments(node)) << 4);
    const uids = node.report?.parked?.keyspaceUids ?? [];
    if (uids.length > 0) parked += `${node.id} ${uids.join(',')};`;
  }
  return { bits, parked };
}

function isSameStates(left: States, right: States): boolean {
  if (left.parked !== right.parked || left.bits.length !== right.bits.length) return false;
  return left.bits.every((bits, at) => bits === right.bits[at]);
}

function count(
  world: World,
  before: Remembered | undefined,
): Pick<Remembered, 'serving' | 'tally'> {
  const { tally, touched } = countTally(world, before);
  const { answering, holding } = tally;
  const routes = routesOf(world, tally, touched, before);
  const isSame = touched?.size === 0 && before !== undefined;
  const lists = isSame
    ? before.serving
    : { unanswered: answering.map(zeros), unheld: holding.map(zeros) };
  return { serving: { ...lists, answering, holding, routes }, tally };
}

function zeros(counts: Uint16Array | undefined): number[] {
  const found: number[] = [];
  if (counts === undefined) return found;
  for (let at = counts.indexOf(0); at >= 0; at = counts.indexOf(0, at + 1)) found.push(at);
  return found;
}

/** Those of shards whose owners, holders and nodes are the same are taken over. */
function routesOf(
  world: World,
  tally: Tally,
  touched: ReadonlySet<number> | undefined,
  before: Remembered | undefined,
): readonly (readonly string[])[] {
  const { datasets, owners, shardCount } = world;
  const known = touched === undefined ? undefined : before;
  const isRead = datasets.some(({ current, suspended }) => current && !suspended);
  const changed = known && changedContributions(known.tally, tally);
  return Array.from({ length: shardCount }, (_unused, shard) => {
    const ofShard = owners[shard] ?? [];
    const isSame =
      known !== undefined &&
      touched?.has(shard) === false &&
      isSameList(ofShard, known.owners[shard] ?? []) &&
      !ofShard.some((id) => changed?.has(id) === true);
    return isSame
      ? (known.serving.routes[shard] ?? [])
      : routeOf(shard, ofShard, tally.holders[shard] ?? [], tally.contributions, isRead);
  });
}

function changedContributions(
  { contributions: before }: Tally,
  { contributions: after }: Tally,
): ReadonlySet<string> {
  const changed = new Set<string>();
  if (before === after) return changed;
  for (const [id, now] of after) if (before.get(id) !== now) changed.add(id);
  for (const id of before.keys()) if (!after.has(id)) changed.add(id);
  return changed;
}

function isSameList(left: readonly string[], right: readonly string[]): boolean {
  return (
    left === right || (left.length === right.length && left.every((id, at) => id === right[at]))
  );
}

interface Candidate {
  readonly id: string;
  readonly isSuspect: boolean;
  readonly fails: boolean;
  /** Datasets of the shard that it can answer for. */
  readonly held: number;
  /** Position among the owners; NO_OWNER: none of them. */
  readonly rank: number;
}

const NO_OWNER = Number.MAX_SAFE_INTEGER;

/**
 * One that is no owner is listed only for bytes it really has. A suspect is listed where nobody else has
 * as much: it may well answer, and to ask it is better than to give up.
 */
function routeOf(
  shard: number,
  owners: readonly string[],
  holders: readonly Holder[],
  contributions: ReadonlyMap<string, Contribution>,
  isRead: boolean,
): readonly string[] {
  const candidates: Candidate[] = [];
  for (const [rank, id] of owners.entries()) {
    const node = contributions.get(id);
    if (node === undefined) continue;
    const own = holders.find((holder) => holder.id === id)?.held ?? 0;
    const held = own + (node.empty[shard] ?? 0);
    if (held > 0 || !isRead) candidates.push({ ...stateOf(node), id, held, rank });
  }
  for (const { held, id } of holders) {
    const node = contributions.get(id);
    if (node === undefined || owners.includes(id)) continue;
    const all = held + (node.empty[shard] ?? 0);
    candidates.push({ ...stateOf(node), id, held: all, rank: NO_OWNER });
  }
  const listed = candidates.filter(
    (one) => !one.isSuspect || !candidates.some(({ fails, held }) => !fails && held >= one.held),
  );
  return listed.sort(byPreference).map(({ id }) => id);
}

function stateOf({ fails, isSuspect }: Contribution): Pick<Candidate, 'fails' | 'isSuspect'> {
  return { fails, isSuspect };
}

/** Those whose reads fail last; most datasets first, owners in ring order before others, these by id. */
function byPreference(left: Candidate, right: Candidate): number {
  return (
    Number(left.fails) - Number(right.fails) ||
    right.held - left.held ||
    left.rank - right.rank ||
    (left.id < right.id ? -1 : 1)
  );
}
