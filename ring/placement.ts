// Membership -> owners: which nodes hold the replicas of each shard, first owner first.
//
// The walk. All nodes approach all shards at once along their virtual nodes (ring.ts): in round k
// each node knocks at the shard where it has its virtual node of rank k, nearer ones first, and is
// taken if the shard still wants a replica, the node's zone and host are new to it as far as need
// be, and the node is below its bound. That is a ring with bounded load in which the closest
// pairs of the whole ring are settled first, not the shards one after the other, so one more
// or one less node disturbs only the far, late pairs. A node with a smaller fair share knocks less often.
// With fewer virtual nodes than shards a node comes to the remaining shards in further laps (ring.ts).
//
// What the walk leaves open (the last shards, when all with room own them already) is completed by
// exchanges along shortest chains (completion.ts); at last first owners are evened out (primaries.ts), and
// behind each of them come those that are farthest away (apart-order.ts).
//
// Invariants, for any input order of the nodes:
//   - the result depends on the set of nodes, shardCount, replication and virtualNodes alone;
//   - every shard has min(replication, nodes) owners, all distinct, on as many distinct zones
//     and then hosts as there are, and so are the first of them; this comes before the load bound;
//   - load is at most ceil(1.10 x fair share) where zones and hosts allow that.

import assert from 'node:assert/strict';
import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { REPLICATION_MAX, WEIGHT_MAX, WEIGHT_MIN } from '../base/limits.ts';
import { orderApart } from './apart-order.ts';
import { completeShards } from './completion.ts';
import { evenOutPrimaries } from './primaries.ts';
import { fairShares, loadMax } from './quota.ts';
import type { QuotaNode } from './quota.ts';
import {
  offsetAtRank,
  rankAtKnock,
  shardAtKnock,
  virtualNodeCount,
  virtualNodesOf,
} from './ring.ts';
import type { VirtualNodes } from './ring.ts';
import { assertShardCount } from '../base/shard-count.ts';
import { Table } from './table.ts';

/** Below this a node's index fits beneath a 32-bit offset in one exact double. */
const INDEX_SPAN = 2 ** 20;

/** One member. Nodes of the same `host` or `zone` are expected to fail together. */
export interface PlacementNode {
  readonly id: string;
  readonly host: string;
  readonly zone: string;
  /** Relative size, 1 where nothing is said. */
  readonly weight?: number;
}

export interface PlacementInput {
  readonly nodes: readonly PlacementNode[];
  /** A power of two, 1 .. SHARD_COUNT_MAX. */
  readonly shardCount: number;
  /** Replicas wanted per shard, 1 .. REPLICATION_MAX. */
  readonly replication: number;
  /**
   * Owners to list where something wants more than `replication`; the first ones are the same all the
   * same, so that what wants no more is not moved by it. Default: `replication`.
   */
  readonly replicationMax?: number;
  /** Virtual nodes per unit of a node's weight, at most one for each shard. Default: one for each shard. */
  readonly virtualNodes?: number;
}

/**
 * The owners of every shard: element s lists the ids of shard s's owners, first owner first,
 * `min(replicationMax, nodes.length)` of them. Throws INVALID_ARGUMENT for bad numbers and double ids.
 */
export function placeShards(input: PlacementInput): string[][] {
  validate(input);
  const { shardCount } = input;
  const nodes = input.nodes.toSorted((left, right) => (left.id < right.id ? -1 : 1));
  const replication = Math.min(input.replication, nodes.length);
  if (replication === 0) return Array.from({ length: shardCount }, () => []);

  const rings = nodes.map((node) => {
    const perWeight = input.virtualNodes ?? shardCount;
    return virtualNodesOf(
      node.id,
      shardCount,
      virtualNodeCount(perWeight, node.weight ?? 1, shardCount),
    );
  });
  let table = newTable(nodes, shardCount, replication);
  walkRing(table, rings);
  completeShards(table);
  evenOutPrimaries(table);
  const most = Math.min(input.replicationMax ?? replication, nodes.length);
  if (most > replication) {
    table = extended(table, newTable(nodes, shardCount, most));
    walkRing(table, rings);
    completeShards(table);
  }
  const places = placesOf(nodes);
  return Array.from({ length: shardCount }, (_, shard) => {
    const owners = table.ownersOf(shard);
    orderApart(owners, places);
    return owners.map((index) => idAt(nodes, index));
  });
}

/** Replicas that `after` has and `before` has not: what has to be copied. The order of owners is no matter. */
export function movedReplicas(
  before: readonly (readonly string[])[],
  after: readonly (readonly string[])[],
): number {
  let moved = 0;
  for (const [shard, owners] of after.entries()) {
    const old = before[shard] ?? [];
    for (const owner of owners) if (!old.includes(owner)) moved++;
  }
  return moved;
}

function newTable(nodes: readonly PlacementNode[], shardCount: number, replication: number): Table {
  const described = placesOf(nodes);
  const shares = fairShares(described, shardCount, replication);
  return new Table(described, shares, shares.map(loadMax), shardCount, replication);
}

/** By node, with zones and hosts as numbers. */
function placesOf(nodes: readonly PlacementNode[]): QuotaNode[] {
  const zones = numbered(nodes.map((node) => node.zone));
  const hosts = numbered(nodes.map((node) => node.host));
  return nodes.map((node, index) => ({
    zone: zones[index] ?? 0,
    host: hosts[index] ?? 0,
    weight: node.weight ?? 1,
  }));
}

/** `wider` with the owners that `table` has, and room for more. */
function extended(table: Table, wider: Table): Table {
  for (let shard = 0; shard < table.shardCount; shard++) {
    for (const node of table.ownersOf(shard)) wider.add(shard, node);
  }
  return wider;
}

/** Names as 0, 1, 2 ... in order of first appearance. */
function numbered(names: readonly string[]): number[] {
  const numbers = new Map<string, number>();
  return names.map((name) => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
}

/** The nodes that are still on their way round the ring, side by side in arrays. */
interface Walkers {
  readonly rings: readonly VirtualNodes[];
  /** Index of the node; the first `count` of them walk. */
  readonly nodes: Int32Array;
  count: number;
  /** By node: it knocks whenever its progress passes the number of its knocks. */
  readonly progress: Float64Array;
  readonly knocks: Int32Array;
  /** By node: where it knocks in this round. */
  readonly shards: Int32Array;
  /** One sortable number for each that knocks: offset, then position in `nodes`. */
  readonly keys: Float64Array;
}

function walkRing(table: Table, rings: readonly VirtualNodes[]): void {
  const { length } = rings;
  const walkers: Walkers = {
    rings,
    nodes: Int32Array.from(rings.keys()),
    count: length,
    progress: new Float64Array(length),
    knocks: new Int32Array(length),
    shards: new Int32Array(length),
    keys: new Float64Array(length),
  };
  while (table.missing > 0) {
    stopWalkers(table, walkers);
    if (walkers.count === 0) return;
    const knocking = walkers.keys.subarray(0, advance(table, walkers)).sort();
    for (const key of knocking) {
      const node = walkers.nodes[key % INDEX_SPAN] ?? 0;
      const shard = walkers.shards[node] ?? 0;
      if (!table.owns(shard, node) && table.accepts(shard, node)) table.add(shard, node);
    }
  }
}

/** Those that have no room, or have been everywhere, stay behind. */
function stopWalkers(table: Table, walkers: Walkers): void {
  const { knocks, nodes, rings } = walkers;
  let count = 0;
  for (let position = 0; position < walkers.count; position++) {
    const node = nodes[position] ?? 0;
    const knocksMax = rings[node]?.knocks ?? 0;
    if ((knocks[node] ?? 0) < knocksMax && table.hasRoom(node)) nodes[count++] = node;
  }
  walkers.count = count;
}

/**
 * Moves every walker on by its share relative to the fastest of them, so that the fastest knocks
 * in each round; to knock where all owners are found is no use, and most knocks of late rounds are
 * of that kind. Returns how many knock.
 */
function advance(table: Table, walkers: Walkers): number {
  const { keys, knocks, nodes, progress, rings, shards } = walkers;
  let fastest = 0;
  for (let position = 0; position < walkers.count; position++) {
    fastest = Math.max(fastest, table.shareOf(nodes[position] ?? 0));
  }
  let count = 0;
  for (let position = 0; position < walkers.count; position++) {
    const node = nodes[position] ?? 0;
    const knock = knocks[node] ?? 0;
    const moved = (progress[node] ?? 0) + table.shareOf(node) / fastest;
    progress[node] = moved;
    if (moved < knock + 1) continue;
    knocks[node] = knock + 1;
    const ring = rings[node];
    assert(ring !== undefined);
    const shard = shardAtKnock(ring, knock);
    if (table.ownerCountOf(shard) === table.replication) continue;
    shards[node] = shard;
    keys[count++] = offsetAtRank(ring, rankAtKnock(ring, knock)) * INDEX_SPAN + position;
  }
  return count;
}

function idAt(nodes: readonly PlacementNode[], index: number): string {
  const node = nodes[index];
  assert(node !== undefined);
  return node.id;
}

function validate({
  nodes,
  shardCount,
  replication,
  replicationMax = replication,
  virtualNodes = shardCount,
}: PlacementInput): void {
  assertShardCount(shardCount);
  if (!Number.isInteger(virtualNodes) || virtualNodes < 1) {
    const text = `${virtualNodes} is not a number of virtual nodes: use 1 or more.`;
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  for (const count of [replication, replicationMax]) {
    if (Number.isInteger(count) && count >= 1 && count <= REPLICATION_MAX) continue;
    const text = `${count} is not a replication factor: use 1 to ${REPLICATION_MAX}.`;
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  const ids = new Set<string>();
  for (const { id, weight = 1 } of nodes) {
    if (ids.has(id)) {
      const text = `Two nodes are called '${shorten(id)}'; give each its own --id.`;
      throw new SteleError('INVALID_ARGUMENT', text);
    }
    ids.add(id);
    if (!(weight >= WEIGHT_MIN && weight <= WEIGHT_MAX)) {
      const text = `${weight} is not a weight of node '${shorten(id)}': use ${WEIGHT_MIN} to ${WEIGHT_MAX}.`;
      throw new SteleError('INVALID_ARGUMENT', text);
    }
  }
}
