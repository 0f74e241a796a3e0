// Which node has which shards of which version, as numbers: what all plans of a turn go by. Pure.
//
//   world.datasets[d]  x  node  ->  Share: shards of d that the node holds whole, and in part
//
// A large cluster has millions of replicas, and from one turn to the next hardly any of them changes. So a
// coverage is made from the one before: only nodes that have reported other segments, and only their
// keyspaces that changed, are looked at again. It is remembered with its world; `follow` says from
// which world another one came. What it says depends on the world alone.

import type { NodeHoldings } from './holdings.ts';
import { shardIndexOf, shardOfSegment } from './shard-index.ts';
import type { ShardIndex } from './shard-index.ts';
import type { World } from './world.ts';

/** A node's part of one version. Shards without segments are in neither list. */
export interface Share {
  /** What was looked at; undefined: the node has nothing of the keyspace. */
  readonly ids: ReadonlySet<string> | undefined;
  readonly index: ShardIndex;
  /** How many of `ids` are of the version. */
  readonly known: number;
  /** Shards with all of their segments here, ascending. */
  readonly whole: readonly number[];
  /** Shards with some of them, ascending. */
  readonly partial: readonly number[];
}

export interface NodeCoverage {
  /** Undefined: what its present run holds is not known. */
  readonly holdings: NodeHoldings | undefined;
  /** By position in `world.datasets`. */
  readonly shares: readonly Share[];
  /** By position: 1 where it has the version's manifest. */
  readonly knows: Uint8Array;
  /** Of all whole shards: position x shard count + shard. */
  readonly cells: Uint32Array;
  /** Shards of which it has something of some version, ascending. */
  readonly shards: readonly number[];
}

export interface Coverage {
  /** By position in `world.datasets`. */
  readonly indexes: readonly ShardIndex[];
  /** In the order of `world.nodes`. */
  readonly nodes: ReadonlyMap<string, NodeCoverage>;
}

type CoverageInput = Pick<World, 'datasets' | 'nodes' | 'holdings' | 'shardCount'>;

const NO_SHARDS: readonly number[] = [];
const NOTHING: Pick<Share, 'whole' | 'partial'> = { whole: NO_SHARDS, partial: NO_SHARDS };
const coverages = new WeakMap<CoverageInput, Coverage>();

export function coverageOf(world: CoverageInput): Coverage {
  return coverages.get(world) ?? remember(world, newCoverage(world, undefined));
}

/** `world` came from `before`: what is the same in both is not looked at again. */
export function follow(before: CoverageInput, world: CoverageInput): void {
  remember(world, newCoverage(world, coverages.get(before)));
}

function remember(world: CoverageInput, coverage: Coverage): Coverage {
  coverages.set(world, coverage);
  return coverage;
}

/** `before` itself where nothing has changed. */
function newCoverage(world: CoverageInput, before: Coverage | undefined): Coverage {
  const now = world.datasets.map(shardIndexOf);
  const isSame = before !== undefined && isSameList(now, before.indexes);
  // The same list, so that what was counted by it is known to be of the same versions.
  const indexes = isSame ? before.indexes : now;
  const positions = isSame ? undefined : positionsOf(before);
  const nodes = new Map<string, NodeCoverage>();
  let changes = isSame && before.nodes.size === world.nodes.size ? 0 : 1;
  for (const { id, incarnation } of world.nodes.values()) {
    const known = world.holdings.get(id);
    const holdings = known?.incarnation === incarnation ? known : undefined;
    const was = before?.nodes.get(id);
    if (isSame && was !== undefined && was.holdings === holdings) {
      nodes.set(id, was);
      continue;
    }
    changes++;
    const shares = sharesOf(
      holdings?.segments ?? NO_SEGMENTS,
      world.datasets,
      indexes,
      (at, index) => was?.shares[positions === undefined ? at : (positions.get(index) ?? -1)],
    );
    nodes.set(id, nodeCoverage(world, holdings, shares));
  }
  return changes === 0 && before !== undefined ? before : { indexes, nodes };
}

type Segments = NodeHoldings['segments'];

interface KnownShares {
  readonly datasets: CoverageInput['datasets'];
  readonly shares: readonly Share[];
}

const NO_SEGMENTS: Segments = new Map();
const sharesBySegments = new WeakMap<Segments, KnownShares>();

/**
 * What a node has just listed is looked at at once, while it is in the processor's caches: a turn that comes
 * after the lists of a thousand nodes finds all of it known.
 */
export function noteListed(
  before: NodeHoldings,
  { segments }: NodeHoldings,
  datasets: CoverageInput['datasets'],
): void {
  const known = sharesBySegments.get(before.segments);
  const was = known?.datasets === datasets ? known.shares : undefined;
  sharesOf(segments, datasets, datasets.map(shardIndexOf), (at) => was?.[at]);
}

/** `was(at, index)`: what the node had of that version before, if it is known. */
function sharesOf(
  segments: Segments,
  datasets: CoverageInput['datasets'],
  indexes: readonly ShardIndex[],
  was: (at: number, index: ShardIndex) => Share | undefined,
): readonly Share[] {
  const known = sharesBySegments.get(segments);
  if (known?.datasets === datasets) return known.shares;
  let last: Share | undefined;
  const shares = indexes.map((index, at) => {
    const ids = segments.get(datasets[at]?.uid ?? '');
    const share = was(at, index);
    const isKnown = share?.index === index && share.ids === ids;
    return (last = isKnown ? share : newShare(ids, index, last));
  });
  sharesBySegments.set(segments, { datasets, shares });
  return shares;
}

function nodeCoverage(
  { datasets, shardCount }: CoverageInput,
  holdings: NodeHoldings | undefined,
  shares: readonly Share[],
): NodeCoverage {
  const manifests = holdings?.manifests;
  const knows = Uint8Array.from(datasets, ({ ref }) => (manifests?.has(ref) === true ? 1 : 0));
  const shards = new Set<number>();
  const cells = new Uint32Array(shares.reduce((sum, { whole }) => sum + whole.length, 0));
  let count = 0;
  let last = NO_SHARDS;
  for (let at = 0; at < shares.length; at++) {
    const { partial, whole } = shares[at] ?? NOTHING;
    for (const shard of whole) cells[count++] = at * shardCount + shard;
    if (whole !== last) for (const shard of whole) shards.add(shard);
    for (const shard of partial) shards.add(shard);
    last = whole;
  }
  return { holdings, shares, knows, cells, shards: ascending([...shards]) };
}

function positionsOf(before: Coverage | undefined): ReadonlyMap<ShardIndex, number> {
  return new Map(before?.indexes.map((index, at) => [index, at]));
}

/** `like`: of another version; most nodes have the same shards of all of them, and so one list of them. */
function newShare(
  ids: ReadonlySet<string> | undefined,
  index: ShardIndex,
  like: Share | undefined,
): Share {
  if (ids === undefined) return { ids, index, known: 0, whole: NO_SHARDS, partial: NO_SHARDS };
  return index.chainLengthMax > 1 ? shareOfChains(ids, index) : shareOfSingles(ids, index, like);
}

function shareOfSingles(
  ids: ReadonlySet<string>,
  index: ShardIndex,
  like: Share | undefined,
): Share {
  const found: number[] = [];
  for (const id of ids) {
    const shard = shardOfSegment(index, id);
    if (shard >= 0) found.push(shard);
  }
  const sorted = ascending(found);
  const whole = like !== undefined && isSameList(sorted, like.whole) ? like.whole : sorted;
  return { ids, index, known: whole.length, whole, partial: NO_SHARDS };
}

function shareOfChains(ids: ReadonlySet<string>, index: ShardIndex): Share {
  const whole: number[] = [];
  const counts = new Map<number, number>();
  let known = 0;
  for (const id of ids) {
    const shard = shardOfSegment(index, id);
    if (shard < 0) continue;
    known++;
    counts.set(shard, (counts.get(shard) ?? 0) + 1);
  }
  const partial: number[] = [];
  for (const [shard, count] of counts) {
    (count === index.chainLengths[shard] ? whole : partial).push(shard);
  }
  return { ids, index, known, whole: ascending(whole), partial: ascending(partial) };
}

/** Sorted in place; most lists come in order. */
function ascending(numbers: number[]): readonly number[] {
  if (numbers.length === 0) return NO_SHARDS;
  for (let at = 1; at < numbers.length; at++) {
    if ((numbers[at - 1] ?? 0) > (numbers[at] ?? 0)) return numbers.sort((a, b) => a - b);
  }
  return numbers;
}

function isSameList<Item>(left: readonly Item[], right: readonly Item[]): boolean {
  return left.length === right.length && left.every((item, at) => item === right[at]);
}
