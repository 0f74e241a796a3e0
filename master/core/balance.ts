// Where the ring puts each node, and what a node has too little or too much of. Pure.
//
// Nearly every node of a large cluster has just what it should, and has had it for long: that is
// remembered with its coverage (coverage.ts), so a turn looks only at the others.

import { coverageOf } from './coverage.ts';
import type { Coverage, NodeCoverage, Share } from './coverage.ts';
import { sharedIds } from './shard-index.ts';
import type { Dataset, World } from './world.ts';

/** Where the ring puts one node: shards, ascending, and which owner of each it is (0: the first). */
export interface OwnedShards {
  readonly shards: readonly number[];
  readonly ranks: readonly number[];
}

type Owners = World['owners'];

const NO_SHARDS: readonly number[] = [];
const NOTHING_OWNED: OwnedShards = { shards: NO_SHARDS, ranks: NO_SHARDS };
const owned = new WeakMap<Owners, ReadonlyMap<string, OwnedShards>>();

export function ownedShards({ owners }: Pick<World, 'owners'>, nodeId: string): OwnedShards {
  let byNode = owned.get(owners);
  if (byNode === undefined) {
    byNode = byOwner(owners);
    owned.set(owners, byNode);
  }
  return byNode.get(nodeId) ?? NOTHING_OWNED;
}

/** `owners` came after `before`: nodes with the same shards in both are known again. */
export function followOwners(before: Owners, owners: Owners): void {
  const known = owned.get(before);
  if (known === undefined || owned.has(owners)) return;
  const byNode: Map<string, OwnedShards> = byOwner(owners);
  for (const [id, now] of byNode) {
    const was = known.get(id);
    if (was === undefined) continue;
    // Most changes of a placement are of ranks alone.
    const shards = isSameList(was.shards, now.shards) ? was.shards : now.shards;
    const ranks = isSameList(was.ranks, now.ranks) ? was.ranks : now.ranks;
    byNode.set(id, shards === was.shards && ranks === was.ranks ? was : { shards, ranks });
  }
  owned.set(owners, byNode);
}

function isSameList(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((item, at) => item === right[at]);
}

function byOwner(owners: Owners): Map<string, OwnedShards> {
  const byNode = new Map<string, { shards: number[]; ranks: number[] }>();
  for (const [shard, ids] of owners.entries()) {
    for (const [rank, id] of ids.entries()) {
      let entry = byNode.get(id);
      if (entry === undefined) byNode.set(id, (entry = { shards: [], ranks: [] }));
      entry.shards.push(shard);
      entry.ranks.push(rank);
    }
  }
  return byNode;
}

/** Shards that the node is to hold (as one of the first `replication` owners) and does not hold whole. */
export function lackedShards(
  { index, whole }: Share,
  { ranks, shards }: OwnedShards,
  replication: number,
): readonly number[] {
  let lacked: number[] | undefined;
  let at = 0;
  for (let place = 0; place < shards.length; place++) {
    const shard = shards[place] ?? 0;
    while (at < whole.length && (whole[at] ?? 0) < shard) at++;
    if (whole[at] === shard || (ranks[place] ?? 0) >= replication) continue;
    if ((index.chainLengths[shard] ?? 0) > 0) (lacked ??= []).push(shard);
  }
  return lacked ?? NO_SHARDS;
}

/** Shards of which the node holds something although it is not one of the first `replication` owners. */
function surplusShards(
  { partial, whole }: Share,
  ofNode: OwnedShards,
  replication: number,
): readonly number[] {
  const held = partial.length === 0 ? whole : [...whole, ...partial].sort((a, b) => a - b);
  let surplus: number[] | undefined;
  let place = 0;
  for (const shard of held) {
    while (place < ofNode.shards.length && (ofNode.shards[place] ?? 0) < shard) place++;
    const isOwner = ofNode.shards[place] === shard && (ofNode.ranks[place] ?? 0) < replication;
    if (!isOwner) (surplus ??= []).push(shard);
  }
  return surplus ?? NO_SHARDS;
}

interface Balance {
  /** Something that it should have is not there. */
  readonly lacks: boolean;
  /** Something is there of a shard that it need not have, or of no version that is kept. */
  readonly exceeds: boolean;
}

interface Weighed extends Balance {
  readonly owned: OwnedShards;
  /** Whether it matters which owner of a shard the node is. */
  readonly byRank: boolean;
  readonly datasets: readonly Dataset[];
}

const weighed = new WeakMap<NodeCoverage, Weighed>();

export function balanceOf(world: World, nodeId: string): Balance {
  const covered = coverageOf(world).nodes.get(nodeId);
  if (covered === undefined) return { lacks: true, exceeds: true };
  const { datasets } = world;
  const ofNode = ownedShards(world, nodeId);
  const known = weighed.get(covered);
  const byRank = leastReplication(datasets) < (world.owners[0]?.length ?? 0);
  if (known?.datasets === datasets && known.byRank === byRank) {
    if (known.owned === ofNode) return known;
    if (!byRank && known.owned.shards === ofNode.shards) return known;
  }
  const balance = weigh(world, covered, ofNode);
  weighed.set(covered, { ...balance, owned: ofNode, byRank, datasets });
  return balance;
}

const exceeding = new WeakMap<
  Coverage,
  {
    readonly owners: Owners;
    readonly datasets: readonly Dataset[];
    readonly ids: readonly string[];
  }
>();

/** Ids of nodes with something that they need not have. */
export function exceedingNodes(world: World): readonly string[] {
  const { datasets, owners } = world;
  const coverage = coverageOf(world);
  const known = exceeding.get(coverage);
  if (known?.owners === owners && known.datasets === datasets) return known.ids;
  const ids = [...coverage.nodes.keys()].filter((id) => balanceOf(world, id).exceeds);
  exceeding.set(coverage, { owners, datasets, ids });
  return ids;
}

const least = new WeakMap<readonly Dataset[], number>();

function leastReplication(datasets: readonly Dataset[]): number {
  let known = least.get(datasets);
  if (known === undefined) {
    known = datasets.reduce((min, { replication }) => Math.min(min, replication), Infinity);
    least.set(datasets, known);
  }
  return known;
}

/** Versions of which the node has the same shards are weighed once. */
function weigh(world: World, covered: NodeCoverage, ofNode: OwnedShards): Balance {
  let lacks = false;
  let exceeds = false;
  let last: Share | undefined;
  let lastReplication = 0;
  for (const [at, share] of covered.shares.entries()) {
    const replication = world.datasets[at]?.replication ?? 0;
    const isAlike = last !== undefined && isAlikeShare(share, last);
    if (isAlike && replication === lastReplication) continue;
    lacks ||= lackedShards(share, ofNode, replication).length > 0;
    exceeds ||= surplusShards(share, ofNode, replication).length > 0;
    if (lacks && exceeds) break;
    last = share;
    lastReplication = replication;
  }
  return { lacks, exceeds: exceeds || hasStrays(world, covered) };
}

function isAlikeShare(left: Share, right: Share): boolean {
  return (
    left.whole === right.whole &&
    left.partial === right.partial &&
    left.index.emptyShards.length === 0 &&
    right.index.emptyShards.length === 0
  );
}

/** Whether it has segments that are of no version that is kept. */
function hasStrays({ datasets }: World, { holdings, shares }: NodeCoverage): boolean {
  const positions = positionsOf(datasets);
  for (const [uid, ids] of holdings?.segments ?? []) {
    if (countKnown(shares, positions.get(uid) ?? []) !== ids.size) return true;
  }
  return false;
}

const byUid = new WeakMap<readonly Dataset[], ReadonlyMap<string, readonly number[]>>();

/** By uid of a keyspace: where its versions are, the newest first: it may have all of the older ones'. */
function positionsOf(datasets: readonly Dataset[]): ReadonlyMap<string, readonly number[]> {
  const known = byUid.get(datasets);
  if (known !== undefined) return known;
  const positions = new Map<string, number[]>();
  for (const [at, { uid }] of datasets.entries()) {
    positions.set(uid, [at, ...(positions.get(uid) ?? [])]);
  }
  byUid.set(datasets, positions);
  return positions;
}

/** At least so many of a node's segments of a keyspace are of its versions: exact but for odd overlaps. */
function countKnown(shares: readonly Share[], positions: readonly number[]): number {
  let count = 0;
  const counted: Share[] = [];
  for (const at of positions) {
    const share = shares[at];
    if (share === undefined) continue;
    const isApart = counted.every(({ index }) => sharedIds(index, share.index) === 0);
    if (isApart) count += share.known;
    counted.push(share);
  }
  return count;
}
