// Which nodes can answer for what. Health, routes, repair and the keyspaces' loops use it. Pure.
//
//   a node that serves        counts, for versions of which it has the manifest and the complete shard
//   a suspect                 is only listed in routes: it may be asked, and may fail
//   any other node            does not count
//
// The counts are derived from the coverage (coverage.ts) whenever a node, its holdings, the owners
// or the versions have changed since the last turn. Otherwise the result of that turn is reused.

import { coverageOf, follow } from './coverage.ts';
import type { Coverage, NodeCoverage } from './coverage.ts';
import { isServing, takesSegments } from '../world/membership.ts';
import type { NodeStatus } from '../world/membership.ts';
import { isInStep, isParked } from '../world/world.ts';
import type { World } from '../world/world.ts';

/** Stays the same object while nothing changes, so that derived values can be memoised with it. */
export interface Serving {
  /**
   * By position in `world.datasets`, current versions only: by shard, the number of nodes that can
   * answer.
   */
  readonly answering: readonly (Uint16Array | undefined)[];
  /**
   * By position, suspended versions only: by shard, the number of serving nodes that hold it, in
   * memory or on disk.
   */
  readonly holding: readonly (Uint16Array | undefined)[];
  /** By position: the shards with a count of 0 in `answering` or `holding`. */
  readonly unanswered: readonly (readonly number[])[];
  readonly unheld: readonly (readonly number[])[];
  /** By shard: ids of nodes that can answer for something, best first (routes.ts). */
  readonly routes: readonly (readonly string[])[];
}

interface Remembered {
  readonly serving: Serving;
  /** The coverage that the counts come from. */
  readonly coverage: Coverage;
  readonly datasets: World['datasets'];
  readonly owners: World['owners'];
  readonly states: States;
}

const remembered = new WeakMap<World, Remembered>();

export function servingOf(world: World): Serving {
  return (remembered.get(world) ?? remember(world, undefined)).serving;
}

/**
 * Registers that `world` came from `before`, so that what is equal in both is neither examined nor
 * counted again.
 */
export function followWorld(before: World, world: World): void {
  follow(before, world);
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
  const serving = isSame ? before.serving : countServing(world, coverage);
  const entry = { serving, coverage, states, datasets, owners };
  remembered.set(world, entry);
  return entry;
}

/**
 * The part of the heartbeats that this file, and everything memoised with its result, depends on.
 */
interface States {
  /** Five bits per node, in the order of the nodes. */
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

/** What a node can do for a version. */
const CANNOT = 0;
const ANSWERS = 1;
/** As above, and reads of the version are allowed. */
const ANSWERS_READS = 2;

interface Answerer {
  readonly id: string;
  readonly covered: NodeCoverage;
  readonly isSuspect: boolean;
  /** True if its reads fail or it has missed a heartbeat: the last choice. */
  readonly fails: boolean;
  /** By position in `world.datasets`: one of the above. */
  readonly capability: Uint8Array;
  /**
   * By shard: the number of readable versions that it answers for without having a record of the
   * shard.
   */
  readonly empty: Uint16Array;
}

/** A node with records of a shard. */
interface Holder {
  readonly node: Answerer;
  /** The number of readable versions of which it has all of the shard's segments; at least 1. */
  readonly held: number;
}

function countServing(world: World, { indexes, nodes }: Coverage): Serving {
  const { datasets, shardCount } = world;
  const answerers = answerersOf(world, indexes, nodes);
  const cells = new Uint16Array(datasets.length * shardCount);
  const holders = countHolders(world, answerers, cells);
  const serving = [...answerers.values()].filter(({ isSuspect }) => !isSuspect);
  const answering = datasets.map(({ current }, at) => {
    if (!current) return undefined;
    const row = cells.subarray(at * shardCount, (at + 1) * shardCount);
    const able = serving.filter(({ capability }) => capability[at] !== CANNOT).length;
    addAll(row, indexes[at]?.emptyShards, able);
    return row;
  });
  const holding = datasets.map(({ current, suspended }, at) => {
    if (!current || !suspended) return undefined;
    const row = new Uint16Array(shardCount);
    addAll(row, indexes[at]?.emptyShards, serving.length);
    for (const { covered } of serving) addAll(row, covered.shares[at]?.whole, 1);
    return row;
  });
  return {
    answering,
    holding,
    unanswered: zeroLists(answering),
    unheld: zeroLists(holding),
    routes: routesOf(world, answerers, holders),
  };
}

function answerersOf(
  world: World,
  indexes: Coverage['indexes'],
  nodes: Coverage['nodes'],
): ReadonlyMap<string, Answerer> {
  const answerers = new Map<string, Answerer>();
  /** Nodes with the same capability share one list. */
  const emptyLists = new Map<string, Uint16Array>();
  const withEmpty = [...indexes.keys()].filter((at) => indexes[at]?.emptyShards.length !== 0);
  for (const [id, covered] of nodes) {
    const node = world.nodes.get(id);
    const isSuspect = node?.liveness === 'SUSPECT';
    if (node === undefined || (!isSuspect && node.liveness !== 'SERVING')) continue;
    const capability = capabilityOf(world, node, covered);
    const answered = withEmpty.filter((at) => capability[at] === ANSWERS_READS);
    const name = answered.join(' ');
    let empty = emptyLists.get(name);
    if (empty === undefined) {
      emptyLists.set(name, (empty = new Uint16Array(world.shardCount)));
      for (const at of answered) addAll(empty, indexes[at]?.emptyShards, 1);
    }
    const fails = isSuspect || node.readsFail;
    answerers.set(id, { id, covered, isSuspect, fails, capability, empty });
  }
  return answerers;
}

function capabilityOf(
  { datasets }: World,
  node: NodeStatus,
  { hasManifest }: NodeCoverage,
): Uint8Array {
  const capability = new Uint8Array(datasets.length);
  const hasParked = (node.report?.parked?.keyspaceUids.length ?? 0) > 0;
  for (let at = 0; at < datasets.length; at++) {
    const dataset = datasets[at];
    if (dataset?.current !== true || hasManifest[at] !== 1) continue;
    if (hasParked && isParked(node, dataset.uid)) continue;
    capability[at] = dataset.suspended ? ANSWERS : ANSWERS_READS;
  }
  return capability;
}

/**
 * Counts shards with records into `cells` (position x shard count + shard). Returns their holders
 * by shard.
 */
function countHolders(
  { shardCount }: World,
  answerers: ReadonlyMap<string, Answerer>,
  cells: Uint16Array,
): readonly (readonly Holder[])[] {
  const holders = Array.from({ length: shardCount }, (): Holder[] => []);
  const held = new Uint16Array(shardCount);
  for (const node of answerers.values()) {
    const { capability, covered, isSuspect } = node;
    countCells(covered.wholeCells, shardCount, capability, isSuspect ? undefined : cells, held);
    for (const shard of covered.shards) {
      const count = held[shard] ?? 0;
      held[shard] = 0;
      if (count > 0) holders[shard]?.push({ node, held: count });
    }
  }
  return holders;
}

/**
 * Hot loop: runs once per replica. `shardCount` is a power of two. Without `cells`, counts only
 * `held`.
 */
function countCells(
  ofNode: Uint32Array,
  shardCount: number,
  capability: Uint8Array,
  cells: Uint16Array | undefined,
  held: Uint16Array,
): void {
  const shift = Math.log2(shardCount);
  const mask = shardCount - 1;
  for (let place = 0; place < ofNode.length; place++) {
    const cell = ofNode[place] ?? 0;
    const can = capability[cell >>> shift] ?? CANNOT;
    if (can === CANNOT) continue;
    if (cells !== undefined) cells[cell] = (cells[cell] ?? 0) + 1;
    if (can === ANSWERS_READS) held[cell & mask] = (held[cell & mask] ?? 0) + 1;
  }
}

function addAll(counts: Uint16Array, shards: readonly number[] | undefined, by: number): void {
  for (const shard of shards ?? []) counts[shard] = (counts[shard] ?? 0) + by;
}

/** Of versions that nobody answers for, as all are when a master starts, the lists are one. */
function zeroLists(rows: readonly (Uint16Array | undefined)[]): readonly (readonly number[])[] {
  const all = Array.from(rows.find((row) => row !== undefined) ?? [], (_count, shard) => shard);
  return rows.map((row) => {
    if (row === undefined) return [];
    return row.every((count) => count === 0) ? all : zeros(row);
  });
}

function zeros(counts: Uint16Array): number[] {
  const found: number[] = [];
  for (let at = counts.indexOf(0); at >= 0; at = counts.indexOf(0, at + 1)) found.push(at);
  return found;
}

function routesOf(
  { datasets, owners, shardCount }: World,
  answerers: ReadonlyMap<string, Answerer>,
  holders: readonly (readonly Holder[])[],
): readonly (readonly string[])[] {
  const isRead = datasets.some(({ current, suspended }) => current && !suspended);
  return Array.from({ length: shardCount }, (_unused, shard) =>
    routeOf(shard, owners[shard] ?? [], holders[shard] ?? [], answerers, isRead),
  );
}

interface Candidate {
  readonly node: Answerer;
  /** The number of readable versions of the shard that it can answer for. */
  readonly held: number;
  /** Position among the owners; NO_OWNER: none of them. */
  readonly rank: number;
}

const NO_OWNER = Number.MAX_SAFE_INTEGER;

/**
 * A node that is not an owner is listed only for records it really has. A suspect is listed if no
 * other node has as much: it may well answer, and asking it is better than giving up.
 */
function routeOf(
  shard: number,
  owners: readonly string[],
  holders: readonly Holder[],
  answerers: ReadonlyMap<string, Answerer>,
  isRead: boolean,
): readonly string[] {
  const candidates: Candidate[] = [];
  for (let rank = 0; rank < owners.length; rank++) {
    const node = answerers.get(owners[rank] ?? '');
    if (node === undefined) continue;
    const own = holders.find((holder) => holder.node === node)?.held ?? 0;
    const held = own + (node.empty[shard] ?? 0);
    if (held > 0 || !isRead) candidates.push({ node, held, rank });
  }
  for (const { held, node } of holders) {
    if (owners.includes(node.id)) continue;
    candidates.push({ node, held: held + (node.empty[shard] ?? 0), rank: NO_OWNER });
  }
  return candidates
    .filter(({ held, node }) => !node.isSuspect || !hasBetter(candidates, held))
    .sort(byPreference)
    .map(({ node }) => node.id);
}

function hasBetter(candidates: readonly Candidate[], held: number): boolean {
  return candidates.some((other) => !other.node.fails && other.held >= held);
}

/**
 * Sort order: nodes whose reads fail come last; then most versions first, owners in ring order
 * before others, by id.
 */
function byPreference(left: Candidate, right: Candidate): number {
  return (
    Number(left.node.fails) - Number(right.node.fails) ||
    right.held - left.held ||
    left.rank - right.rank ||
    (left.node.id < right.node.id ? -1 : 1)
  );
}
