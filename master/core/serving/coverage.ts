// Which node has which shards of which version, as numbers. All plans of a turn use it. Pure.
//
//   world.datasets[d]  x  node  ->  ReplicaShare: shards of d that the node holds, completely or in part
//
// A large cluster has millions of replicas, and hardly any of them changes from one turn to the
// next. So a coverage is derived from the previous one: only nodes that have reported other
// segments, and only their keyspaces that changed, are examined again. It is memoised per world;
// `follow` registers which world another one came from. The result depends on the world alone.

import type { SegmentId } from '../../../base/segment-name.ts';
import type { KeyspaceUid } from '../../../base/ids.ts';
import type { NodeHoldings } from '../world/holdings.ts';
import { shardIndexOf, shardOfSegment, sharedIds } from './shard-index.ts';
import type { ShardIndex } from './shard-index.ts';
import type { Dataset, World } from '../world/world.ts';

/** A node's part of one version. Shards without segments are in neither list. */
export interface ReplicaShare {
  /** The segment ids examined; undefined if the node has nothing of the keyspace. */
  readonly ids: ReadonlySet<SegmentId> | undefined;
  readonly index: ShardIndex;
  /** The number of `ids` that belong to the version. */
  readonly known: number;
  /** Shards with all of their segments here, ascending. */
  readonly whole: readonly number[];
  /** Shards with some of their segments here, ascending. */
  readonly partial: readonly number[];
}

export interface NodeCoverage {
  /** Undefined if the holdings of its present incarnation are not known. */
  readonly holdings: NodeHoldings | undefined;
  /** By position in `world.datasets`. */
  readonly shares: readonly ReplicaShare[];
  /** By position: 1 if it has the version's manifest. */
  readonly hasManifest: Uint8Array;
  /** All complete shards, as position x shard count + shard. */
  readonly wholeCells: Uint32Array;
  /** Shards of which it has something of some version, ascending. */
  readonly shards: readonly number[];
  /** True if it has segments that belong to no kept version. */
  readonly hasStrays: boolean;
}

export interface Coverage {
  /** By position in `world.datasets`. */
  readonly indexes: readonly ShardIndex[];
  /** In the order of `world.nodes`. */
  readonly nodes: ReadonlyMap<string, NodeCoverage>;
}

type CoverageInput = Pick<World, 'datasets' | 'nodes' | 'holdings' | 'shardCount'>;

const NO_SHARDS: readonly number[] = [];
const NOTHING: Pick<ReplicaShare, 'whole' | 'partial'> = { whole: NO_SHARDS, partial: NO_SHARDS };
const coverages = new WeakMap<CoverageInput, Coverage>();

export function coverageOf(world: CoverageInput): Coverage {
  return coverages.get(world) ?? remember(world, newCoverage(world, undefined));
}

/**
 * Registers that `world` came from `before`, so that what is equal in both is not examined again.
 */
export function follow(before: CoverageInput, world: CoverageInput): void {
  remember(world, newCoverage(world, coverages.get(before)));
}

function remember(world: CoverageInput, coverage: Coverage): Coverage {
  coverages.set(world, coverage);
  return coverage;
}

/** Returns `before` itself if nothing has changed. */
function newCoverage(world: CoverageInput, before: Coverage | undefined): Coverage {
  const now = world.datasets.map(shardIndexOf);
  const isSame = before !== undefined && isSameList(now, before.indexes);
  // The same array shows that earlier counts refer to the same versions.
  const indexes = isSame ? before.indexes : now;
  const positions = isSame ? undefined : positionsOf(before);
  const versionsByUid = positionsByUid(world.datasets);
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
    let last: ReplicaShare | undefined;
    const shares = indexes.map((index, at) => {
      const uid = world.datasets[at]?.uid;
      const ids = uid && holdings?.segments.get(uid);
      const share = was?.shares[positions === undefined ? at : (positions.get(index) ?? -1)];
      const isKnown = share?.index === index && share.ids === ids;
      return (last = isKnown ? share : newShare(ids, index, last));
    });
    nodes.set(id, nodeCoverage(world, holdings, shares, versionsByUid));
  }
  return changes === 0 && before !== undefined ? before : { indexes, nodes };
}

function nodeCoverage(
  { datasets, shardCount }: CoverageInput,
  holdings: NodeHoldings | undefined,
  shares: readonly ReplicaShare[],
  versionsByUid: ReadonlyMap<KeyspaceUid, readonly number[]>,
): NodeCoverage {
  const manifests = holdings?.manifests;
  const hasManifest = Uint8Array.from(datasets, ({ ref }) =>
    manifests?.has(ref) === true ? 1 : 0,
  );
  const shards = new Set<number>();
  const wholeCells = new Uint32Array(shares.reduce((sum, { whole }) => sum + whole.length, 0));
  let count = 0;
  let last = NO_SHARDS;
  for (let at = 0; at < shares.length; at++) {
    const { partial, whole } = shares[at] ?? NOTHING;
    for (const shard of whole) wholeCells[count++] = at * shardCount + shard;
    if (whole !== last) for (const shard of whole) shards.add(shard);
    for (const shard of partial) shards.add(shard);
    last = whole;
  }
  const hasStrays = [...(holdings?.segments ?? [])].some(
    ([uid, ids]) => countKnown(shares, versionsByUid.get(uid) ?? []) !== ids.size,
  );
  return { holdings, shares, hasManifest, wholeCells, shards: ascending([...shards]), hasStrays };
}

/**
 * By keyspace uid: the positions of its versions, newest first, because it may have all segments of
 * the older ones.
 */
function positionsByUid(datasets: readonly Dataset[]): ReadonlyMap<KeyspaceUid, readonly number[]> {
  const positions = new Map<KeyspaceUid, number[]>();
  for (const [at, { uid }] of datasets.entries()) {
    positions.set(uid, [at, ...(positions.get(uid) ?? [])]);
  }
  return positions;
}

/**
 * A lower bound of the node's segments of a keyspace that belong to its versions; exact except for
 * unusual overlaps.
 */
function countKnown(shares: readonly ReplicaShare[], positions: readonly number[]): number {
  let count = 0;
  const counted: ReplicaShare[] = [];
  for (const at of positions) {
    const share = shares[at];
    if (share === undefined) continue;
    const isApart = counted.every(({ index }) => sharedIds(index, share.index) === 0);
    if (isApart) count += share.known;
    counted.push(share);
  }
  return count;
}

function positionsOf(before: Coverage | undefined): ReadonlyMap<ShardIndex, number> {
  return new Map(before?.indexes.map((index, at) => [index, at]));
}

/**
 * `like`: the share of another version. Most nodes have the same shards of all versions, which then
 * share one list.
 */
function newShare(
  ids: ReadonlySet<SegmentId> | undefined,
  index: ShardIndex,
  like: ReplicaShare | undefined,
): ReplicaShare {
  if (ids === undefined) return { ids, index, known: 0, whole: NO_SHARDS, partial: NO_SHARDS };
  return index.chainLengthMax > 1 ? shareOfChains(ids, index) : shareOfSingles(ids, index, like);
}

function shareOfSingles(
  ids: ReadonlySet<SegmentId>,
  index: ShardIndex,
  like: ReplicaShare | undefined,
): ReplicaShare {
  const found: number[] = [];
  for (const id of ids) {
    const shard = shardOfSegment(index, id);
    if (shard >= 0) found.push(shard);
  }
  const sorted = ascending(found);
  const whole = like !== undefined && isSameList(sorted, like.whole) ? like.whole : sorted;
  return { ids, index, known: whole.length, whole, partial: NO_SHARDS };
}

function shareOfChains(ids: ReadonlySet<SegmentId>, index: ShardIndex): ReplicaShare {
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

/** Sorts in place; most lists are sorted already. */
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
