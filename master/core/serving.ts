// Who can answer for what, counted from the coverage: health, routes and the keyspaces' loops read it. Pure.
//
// It is remembered with its world, and taken over from the world before where no node has another state,
// other holdings or other owners: most turns of a large cluster need no counting at all.

import { followOwners, ownedShards } from './balance.ts';
import { coverageOf, follow } from './coverage.ts';
import type { Coverage, NodeCoverage } from './coverage.ts';
import { isServing, takesSegments } from './membership.ts';
import type { NodeStatus } from './membership.ts';
import { isInStep, isParked } from './world.ts';
import type { World } from './world.ts';

/** The same value from turn to turn for as long as it holds: what follows from it can be remembered with it. */
export interface Serving {
  /** By position in `world.datasets`, current versions only: by shard, how many nodes can answer. */
  readonly answering: readonly (Uint16Array | undefined)[];
  /** The same, of suspended ones: how many serving nodes hold it, in memory or on disk. */
  readonly holding: readonly (Uint16Array | undefined)[];
  /** The shards that nobody can answer for, or holds, in the two lists above. */
  readonly unanswered: readonly (readonly number[])[];
  readonly unheld: readonly (readonly number[])[];
  /** By shard: ids of nodes that can answer for something, best first (routes.ts). */
  readonly routes: readonly (readonly string[])[];
}

interface Counted {
  readonly serving: Serving;
  /** What it was counted from. */
  readonly coverage: Coverage;
  readonly world: World;
  readonly states: string;
}

const counted = new WeakMap<World, Counted>();

export function servingOf(world: World): Serving {
  return (counted.get(world) ?? remember(world, undefined)).serving;
}

/** `world` came from `before`: what is the same in both is not looked at, nor counted, again. */
export function followWorld(before: World, world: World): void {
  follow(before, world);
  followOwners(before.owners, world.owners);
  remember(world, counted.get(before));
}

function remember(world: World, before: Counted | undefined): Counted {
  const coverage = coverageOf(world);
  const states = statesOf(world);
  const isSame =
    before?.coverage === coverage &&
    before.states === states &&
    before.world.datasets === world.datasets &&
    before.world.owners === world.owners;
  const serving = isSame ? before.serving : countAll(world, coverage);
  const entry = { serving, coverage, world, states };
  counted.set(world, entry);
  return entry;
}

/** What heartbeats say, as far as anything here depends on it. */
function statesOf(world: World): string {
  let states = '';
  for (const node of world.nodes.values()) {
    states += isServing(node) ? (isInStep(world, node) ? '2' : '1') : '0';
    if (node.liveness === 'SUSPECT') states += 's';
    if (node.readsFail === true) states += 'f';
    if (!takesSegments(node)) states += 'd';
    const parked = node.report?.parked?.keyspaceUids ?? [];
    if (parked.length > 0) states += parked.join(',');
  }
  return states;
}

/** What a dataset is to one node. */
const CANNOT = 0;
const ANSWERS = 1;
const ANSWERS_READS = 2;

/** Arrays that are used again for each node. */
interface Scratch {
  /** By position: one of the above. */
  readonly ability: Uint8Array;
  /** By shard: of how many datasets that are read the node has its segments whole. */
  readonly held: Uint16Array;
}

const NO_INDEX = { emptyShards: [] };

function countAll(world: World, coverage: Coverage): Serving {
  const { datasets, shardCount } = world;
  const cells = new Uint16Array(datasets.length * shardCount);
  const rowOf = (at: number): Uint16Array => cells.subarray(at * shardCount, (at + 1) * shardCount);
  const answering = datasets.map(({ current }, at) => (current ? rowOf(at) : undefined));
  const holding = datasets.map(({ current, suspended }) =>
    current && suspended ? new Uint16Array(shardCount) : undefined,
  );
  const routes = new RouteTable(world, coverage);
  const scratch = {
    ability: new Uint8Array(datasets.length),
    held: new Uint16Array(shardCount),
  };
  const rare = [...coverage.indexes.keys()].filter(
    (at) => holding[at] !== undefined || (coverage.indexes[at]?.emptyShards.length ?? 0) > 0,
  );
  for (const [id, covered] of coverage.nodes) {
    const node = world.nodes.get(id);
    if (node === undefined || !isServing(node)) continue;
    noteAbility(world, node, covered, scratch.ability);
    countCells(covered.cells, shardCount, cells, scratch);
    for (const at of rare) {
      const { emptyShards } = coverage.indexes[at] ?? NO_INDEX;
      if (scratch.ability[at] !== CANNOT) addAll(answering[at], emptyShards);
      addAll(holding[at], emptyShards);
      if (holding[at] !== undefined) addAll(holding[at], covered.shares[at]?.whole ?? []);
    }
    routes.add(id, covered, scratch, false);
  }
  for (const [id, covered] of coverage.nodes) {
    const node = world.nodes.get(id);
    if (node?.liveness !== 'SUSPECT') continue;
    noteAbility(world, node, covered, scratch.ability);
    countCells(covered.cells, shardCount, undefined, scratch);
    routes.add(id, covered, scratch, true);
  }
  return {
    answering,
    holding,
    unanswered: answering.map(zeros),
    unheld: holding.map(zeros),
    routes: routes.sorted(),
  };
}

function noteAbility(
  { datasets }: World,
  node: NodeStatus,
  { knows }: NodeCoverage,
  ability: Uint8Array,
): void {
  const hasParked = (node.report?.parked?.keyspaceUids.length ?? 0) > 0;
  for (const [at, { current, suspended, uid }] of datasets.entries()) {
    const can = current && knows[at] === 1 && !(hasParked && isParked(node, uid));
    ability[at] = can ? (suspended ? ANSWERS : ANSWERS_READS) : CANNOT;
  }
}

/**
 * A hot loop: once for each replica of the cluster. `shardCount` is a power of two. Without `cells`
 * the node is only looked at, and not counted as one that can answer.
 */
function countCells(
  ofNode: Uint32Array,
  shardCount: number,
  cells: Uint16Array | undefined,
  { ability, held }: Scratch,
): void {
  const shift = Math.log2(shardCount);
  const mask = shardCount - 1;
  for (const cell of ofNode) {
    const can = ability[cell >>> shift] ?? CANNOT;
    if (can === CANNOT) continue;
    if (cells !== undefined) cells[cell] = (cells[cell] ?? 0) + 1;
    if (can === ANSWERS_READS) held[cell & mask] = (held[cell & mask] ?? 0) + 1;
  }
}

function zeros(counts: Uint16Array | undefined): number[] {
  const found: number[] = [];
  if (counts === undefined) return found;
  for (let at = counts.indexOf(0); at >= 0; at = counts.indexOf(0, at + 1)) found.push(at);
  return found;
}

function addAll(counts: Uint16Array | undefined, shards: readonly number[]): void {
  if (counts === undefined) return;
  for (const shard of shards) counts[shard] = (counts[shard] ?? 0) + 1;
}

interface Candidate {
  readonly id: string;
  /** Reads of it fail, or it has missed a heartbeat: the last resort. */
  readonly fails: boolean;
  /** Datasets of the shard that it can answer for. */
  readonly held: number;
  /** Position among the owners; NO_OWNER: none of them. */
  readonly rank: number;
}

const NO_OWNER = Number.MAX_SAFE_INTEGER;

class RouteTable {
  readonly #world: World;
  readonly #coverage: Coverage;
  readonly #readCount: number;
  readonly #candidates: Candidate[][];
  /** By set of datasets that a node can answer for: by shard, how many of them are empty there. */
  readonly #emptyCounts = new Map<string, Uint16Array>();

  constructor(world: World, coverage: Coverage) {
    this.#world = world;
    this.#coverage = coverage;
    this.#readCount = world.datasets.filter((one) => one.current && !one.suspended).length;
    this.#candidates = Array.from({ length: world.shardCount }, () => []);
  }

  /**
   * A serving node; clears `held`. One that is no owner is listed only for bytes it really has. A suspect,
   * added after all of those, is listed where none of them has as much: it may well answer, and to
   * ask it is better than to give up.
   */
  add(id: string, covered: NodeCoverage, { ability, held }: Scratch, isSuspect: boolean): void {
    const empty = this.#emptyOf(ability);
    const { ranks, shards } = ownedShards(this.#world, id);
    const fails = isSuspect || this.#world.nodes.get(id)?.readsFail === true;
    for (let place = 0; place < shards.length; place++) {
      const shard = shards[place] ?? 0;
      const count = (held[shard] ?? 0) + (empty[shard] ?? 0);
      // Marked as taken, for the loop below.
      held[shard] = 0;
      if (count === 0 && this.#readCount > 0) continue;
      this.#list(shard, { id, fails, held: count, rank: ranks[place] ?? 0 }, isSuspect);
    }
    for (const shard of covered.shards) {
      const count = held[shard] ?? 0;
      held[shard] = 0;
      if (count === 0) continue;
      const all = count + (empty[shard] ?? 0);
      this.#list(shard, { id, fails, held: all, rank: NO_OWNER }, isSuspect);
    }
  }

  #list(shard: number, candidate: Candidate, isSuspect: boolean): void {
    const others = this.#candidates[shard];
    if (isSuspect && others?.some(({ fails, held }) => !fails && held >= candidate.held)) return;
    others?.push(candidate);
  }

  #emptyOf(ability: Uint8Array): Uint16Array {
    const name = ability.join('');
    let counts = this.#emptyCounts.get(name);
    if (counts === undefined) {
      counts = new Uint16Array(this.#world.shardCount);
      for (const [at, { emptyShards }] of this.#coverage.indexes.entries()) {
        if (ability[at] === ANSWERS_READS) addAll(counts, emptyShards);
      }
      this.#emptyCounts.set(name, counts);
    }
    return counts;
  }

  /** Those whose reads fail last; most datasets first, owners in ring order before others, these by id. */
  sorted(): string[][] {
    return this.#candidates.map((candidates) => {
      candidates.sort(
        (left, right) =>
          Number(left.fails) - Number(right.fails) ||
          right.held - left.held ||
          left.rank - right.rank ||
          (left.id < right.id ? -1 : 1),
      );
      return candidates.map(({ id }) => id);
    });
  }
}
