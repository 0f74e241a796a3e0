// How many nodes can answer for what, and which of them have something of a shard: counted from the
// coverage, node by node, so that a node more or less, or one in another state, is added or taken
// away. Pure.
//
//   a node that serves        counts, for the versions of which it has the manifest and the shard whole
//   a suspect                 is only listed: it may be asked, and nothing is promised of it
//   anybody else              is nothing here
//
// Invariant: what is counted on from a tally before is what counting everything anew comes to.

import { coverageOf } from './coverage.ts';
import type { Coverage, NodeCoverage } from './coverage.ts';
import type { NodeStatus } from './membership.ts';
import { isParked } from './world.ts';
import type { Dataset, World } from './world.ts';

/** What a dataset is to one node. */
const CANNOT = 0;
const ANSWERS = 1;
const ANSWERS_READS = 2;

/** What one node adds; the same value for as long as it adds the same. */
export interface Contribution {
  readonly covered: NodeCoverage;
  readonly isSuspect: boolean;
  /** Reads of it fail, or it has missed a heartbeat: the last resort. */
  readonly fails: boolean;
  /** Uids of keyspaces that it has on disk only. */
  readonly parked: string;
  /** By position in `world.datasets`: one of the above. */
  readonly ability: Uint8Array;
  /** By shard: how many versions that are read it answers for without having a byte of them. */
  readonly empty: Uint16Array;
}

/** A node with bytes of a shard. */
export interface Holder {
  readonly id: string;
  /** Of how many versions that are read it has the shard's segments whole; at least 1. */
  readonly held: number;
}

export interface Tally {
  readonly contributions: ReadonlyMap<string, Contribution>;
  /** All rows of `answering`, one after the other. */
  readonly cells: Uint16Array;
  /** By position in `world.datasets`, current versions only: by shard, how many nodes can answer. */
  readonly answering: readonly (Uint16Array | undefined)[];
  /** The same, of suspended ones: how many serving nodes hold it, in memory or on disk. */
  readonly holding: readonly (Uint16Array | undefined)[];
  /** By shard, in no order. */
  readonly holders: readonly (readonly Holder[])[];
  /** Shards without segments of the versions that are read, by who can answer for which of them. */
  readonly emptyCounts: Map<string, Uint16Array>;
}

export interface Counted {
  readonly tally: Tally;
  /** Shards of which something may be different from the tally before; undefined: all. */
  readonly touched: ReadonlySet<number> | undefined;
}

/** What a tally was counted from. */
export interface TallySource {
  readonly tally: Tally;
  readonly datasets: readonly Dataset[];
  readonly coverage: Coverage;
}

/** With so many nodes changed of all (1 / so many), counting anew costs less. */
const ANEW_SHARE = 4;

export function countTally(world: World, before: TallySource | undefined): Counted {
  const coverage = coverageOf(world);
  const follows =
    before?.datasets === world.datasets && before.coverage.indexes === coverage.indexes;
  const known = follows ? before.tally : undefined;
  const emptyCounts = known?.emptyCounts ?? new Map<string, Uint16Array>();
  const contributions = contributionsOf(world, coverage, known, emptyCounts);
  const changed = known && changedNodes(known.contributions, contributions);
  if (known === undefined || changed === undefined || isMany(changed, contributions)) {
    return { tally: countAll(world, coverage, contributions, emptyCounts), touched: undefined };
  }
  if (changed.length === 0) return { tally: { ...known, contributions }, touched: new Set() };
  return countOn(world, coverage, known, contributions, changed);
}

function isMany(changed: readonly string[], all: ReadonlyMap<string, Contribution>): boolean {
  return changed.length * ANEW_SHARE > Math.max(all.size, ANEW_SHARE);
}

function contributionsOf(
  world: World,
  coverage: Coverage,
  before: Tally | undefined,
  emptyCounts: Map<string, Uint16Array>,
): Map<string, Contribution> {
  const contributions = new Map<string, Contribution>();
  for (const [id, covered] of coverage.nodes) {
    const node = world.nodes.get(id);
    if (node === undefined) continue;
    const isSuspect = node.liveness === 'SUSPECT';
    if (!isSuspect && node.liveness !== 'SERVING') continue;
    const fails = isSuspect || node.readsFail;
    const parked = node.report?.parked?.keyspaceUids.join(',') ?? '';
    const was = before?.contributions.get(id);
    const isSame =
      was?.covered === covered &&
      was.isSuspect === isSuspect &&
      was.fails === fails &&
      was.parked === parked;
    if (isSame) {
      contributions.set(id, was);
      continue;
    }
    const ability = abilityOf(world, node, covered);
    const empty = emptyOf(world, coverage, ability, emptyCounts);
    contributions.set(id, { covered, isSuspect, fails, parked, ability, empty });
  }
  return contributions;
}

function abilityOf({ datasets }: World, node: NodeStatus, { knows }: NodeCoverage): Uint8Array {
  const ability = new Uint8Array(datasets.length);
  const hasParked = (node.report?.parked?.keyspaceUids.length ?? 0) > 0;
  for (let at = 0; at < datasets.length; at++) {
    const dataset = datasets[at];
    if (dataset?.current !== true || knows[at] !== 1) continue;
    if (hasParked && isParked(node, dataset.uid)) continue;
    ability[at] = dataset.suspended ? ANSWERS : ANSWERS_READS;
  }
  return ability;
}

/** One list for all nodes of the same ability. */
function emptyOf(
  { shardCount }: World,
  { indexes }: Coverage,
  ability: Uint8Array,
  known: Map<string, Uint16Array>,
): Uint16Array {
  let name = '';
  for (let at = 0; at < indexes.length; at++) {
    const hasEmpty = (indexes[at]?.emptyShards.length ?? 0) > 0;
    if (hasEmpty && ability[at] === ANSWERS_READS) name += `${at} `;
  }
  let counts = known.get(name);
  if (counts === undefined) {
    counts = new Uint16Array(shardCount);
    for (const at of name.split(' ').slice(0, -1)) {
      addAll(counts, indexes[Number(at)]?.emptyShards ?? [], 1);
    }
    known.set(name, counts);
  }
  return counts;
}

function changedNodes(
  before: ReadonlyMap<string, Contribution>,
  after: ReadonlyMap<string, Contribution>,
): string[] {
  const changed: string[] = [];
  for (const [id, contribution] of after) {
    if (before.get(id) !== contribution) changed.push(id);
  }
  for (const id of before.keys()) if (!after.has(id)) changed.push(id);
  return changed;
}

/** What is counted into; its arrays are nobody else's yet. */
interface Count {
  readonly cells: Uint16Array;
  readonly answering: readonly (Uint16Array | undefined)[];
  readonly holding: readonly (Uint16Array | undefined)[];
  /** Positions of versions that are suspended, or have shards without segments. */
  readonly rare: readonly number[];
  readonly shardCount: number;
  readonly indexes: Coverage['indexes'];
  /** By shard; used again for each node, and left empty by it. */
  readonly held: Uint16Array;
}

function newCount({ datasets, shardCount }: World, { indexes }: Coverage, before?: Tally): Count {
  const cells = before?.cells.slice() ?? new Uint16Array(datasets.length * shardCount);
  const rowOf = (at: number): Uint16Array => cells.subarray(at * shardCount, (at + 1) * shardCount);
  const holding = datasets.map(({ current, suspended }, at) =>
    current && suspended
      ? (before?.holding[at]?.slice() ?? new Uint16Array(shardCount))
      : undefined,
  );
  return {
    cells,
    answering: datasets.map(({ current }, at) => (current ? rowOf(at) : undefined)),
    holding,
    rare: [...indexes.keys()].filter(
      (at) => holding[at] !== undefined || (indexes[at]?.emptyShards.length ?? 0) > 0,
    ),
    shardCount,
    indexes,
    held: new Uint16Array(shardCount),
  };
}

function countAll(
  world: World,
  coverage: Coverage,
  contributions: ReadonlyMap<string, Contribution>,
  emptyCounts: Map<string, Uint16Array>,
): Tally {
  const count = newCount(world, coverage);
  const holders = Array.from({ length: world.shardCount }, (): Holder[] => []);
  for (const [id, contribution] of contributions) {
    addNode(count, contribution, 1);
    for (const shard of contribution.covered.shards) list(holders[shard], id, count.held, shard);
  }
  const { answering, cells, holding } = count;
  return { contributions, cells, answering, holding, holders, emptyCounts };
}

/** Takes away what the changed nodes were, and adds what they are. */
function countOn(
  world: World,
  coverage: Coverage,
  before: Tally,
  contributions: ReadonlyMap<string, Contribution>,
  changed: readonly string[],
): Counted {
  const count = newCount(world, coverage, before);
  const touched = new Set<number>();
  const ids = new Set(changed);
  for (const id of changed) {
    const was = before.contributions.get(id);
    if (was === undefined) continue;
    addNode(count, was, -1);
    for (const shard of was.covered.shards) {
      count.held[shard] = 0;
      touched.add(shard);
    }
  }
  for (const id of changed) {
    for (const shard of contributions.get(id)?.covered.shards ?? []) touched.add(shard);
  }
  const holders = [...before.holders];
  const lists = new Map<number, Holder[]>();
  for (const shard of touched) {
    const left = (holders[shard] ?? []).filter(({ id }) => !ids.has(id));
    holders[shard] = left;
    lists.set(shard, left);
  }
  for (const id of changed) {
    const contribution = contributions.get(id);
    if (contribution === undefined) continue;
    addNode(count, contribution, 1);
    for (const shard of contribution.covered.shards) list(lists.get(shard), id, count.held, shard);
  }
  const { answering, cells, holding } = count;
  const { emptyCounts } = before;
  const tally = { contributions, cells, answering, holding, holders, emptyCounts };
  return { tally, touched };
}

/** Takes the count of the shard out of `held`. */
function list(holders: Holder[] | undefined, id: string, held: Uint16Array, shard: number): void {
  const count = held[shard] ?? 0;
  held[shard] = 0;
  if (count > 0) holders?.push({ id, held: count });
}

/** `by` 1 or -1. Fills `held`. */
function addNode(count: Count, { ability, covered, isSuspect }: Contribution, by: number): void {
  const { answering, cells, held, holding, indexes, rare, shardCount } = count;
  countCells(covered.cells, shardCount, ability, isSuspect ? undefined : cells, held, by);
  if (isSuspect) return;
  for (const at of rare) {
    const emptyShards = indexes[at]?.emptyShards ?? [];
    if (ability[at] !== CANNOT) addAll(answering[at], emptyShards, by);
    addAll(holding[at], emptyShards, by);
    if (holding[at] !== undefined) addAll(holding[at], covered.shares[at]?.whole ?? [], by);
  }
}

/**
 * A hot loop: once for each replica of the nodes that are counted. `shardCount` is a power of two. Without
 * `cells` the node is only looked at, and not counted as one that can answer.
 */
function countCells(
  ofNode: Uint32Array,
  shardCount: number,
  ability: Uint8Array,
  cells: Uint16Array | undefined,
  held: Uint16Array,
  by: number,
): void {
  const shift = Math.log2(shardCount);
  const mask = shardCount - 1;
  for (let place = 0; place < ofNode.length; place++) {
    const cell = ofNode[place] ?? 0;
    const can = ability[cell >>> shift] ?? CANNOT;
    if (can === CANNOT) continue;
    if (cells !== undefined) cells[cell] = (cells[cell] ?? 0) + by;
    if (can === ANSWERS_READS) held[cell & mask] = (held[cell & mask] ?? 0) + 1;
  }
}

function addAll(counts: Uint16Array | undefined, shards: readonly number[], by: number): void {
  if (counts === undefined) return;
  for (const shard of shards) counts[shard] = (counts[shard] ?? 0) + by;
}
