// What each node should hold by the ring, and what it lacks or has in excess. Pure.

import { coverageOf } from './coverage.ts';
import type { Coverage, ReplicaShare } from './coverage.ts';
import type { World } from '../world/world.ts';

/**
 * The shards of one node by the ring, ascending, and its rank among the owners of each (0: the
 * first).
 */
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

/**
 * Shards that the node should hold (as one of the first `replication` owners) and does not hold
 * completely.
 */
export function lackedShards(
  { index, whole }: ReplicaShare,
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

/**
 * Shards of which the node holds something although it is not one of the first `replication`
 * owners.
 */
function surplusShards(
  { partial, whole }: ReplicaShare,
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
  /** True if a segment that it should have is missing. */
  readonly lacks: boolean;
  /** True if it has a segment of a shard that it need not have, or of no kept version. */
  readonly exceeds: boolean;
}

/** Versions of which the node has the same shards are examined once. */
export function balanceOf(world: World, nodeId: string): Balance {
  const covered = coverageOf(world).nodes.get(nodeId);
  if (covered === undefined) return { lacks: true, exceeds: true };
  const ofNode = ownedShards(world, nodeId);
  let lacks = false;
  let exceeds = covered.hasStrays;
  let last: ReplicaShare | undefined;
  let lastReplication = 0;
  for (let at = 0; at < covered.shares.length && !(lacks && exceeds); at++) {
    const share = covered.shares[at];
    const replication = world.datasets[at]?.replication ?? 0;
    if (share === undefined) continue;
    const isAlike = last !== undefined && isAlikeShare(share, last);
    if (isAlike && replication === lastReplication) continue;
    lacks ||= lackedShards(share, ofNode, replication).length > 0;
    exceeds ||= surplusShards(share, ofNode, replication).length > 0;
    last = share;
    lastReplication = replication;
  }
  return { lacks, exceeds };
}

interface Exceeding extends Pick<World, 'owners' | 'datasets'> {
  readonly ids: readonly string[];
}

const exceeding = new WeakMap<Coverage, Exceeding>();

/**
 * Ids of nodes with segments that they need not have. Called in each turn, mostly with the same
 * result.
 */
export function exceedingNodes(world: World): readonly string[] {
  const { datasets, owners } = world;
  const coverage = coverageOf(world);
  const known = exceeding.get(coverage);
  if (known?.owners === owners && known.datasets === datasets) return known.ids;
  const ids = [...coverage.nodes.keys()].filter((id) => balanceOf(world, id).exceeds);
  exceeding.set(coverage, { owners, datasets, ids });
  return ids;
}

function isAlikeShare(left: ReplicaShare, right: ReplicaShare): boolean {
  return (
    left.whole === right.whole &&
    left.partial === right.partial &&
    left.index.emptyShards.length === 0 &&
    right.index.emptyShards.length === 0
  );
}
