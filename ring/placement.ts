// Membership -> owners: which nodes hold the replicas of each shard, first owner first.
//
// The walk. All nodes approach all shards at once along their virtual nodes (ring.ts). In round k
// each node visits the shard on whose arc it has its virtual node of rank k, nearer nodes first.
// The shard accepts the node if it still misses a replica, if the node's zone and host are as new
// to it as required, and if the node is below its load bound. This is a ring with bounded load in
// which the closest pairs of the whole ring are settled first, rather than one shard after the
// other, so one more or one less node disturbs only the far, late pairs. A node with a smaller fair
// share visits fewer shards. With fewer virtual nodes than shards a node reaches the remaining
// shards in further laps (ring.ts).
//
// Shards that the walk leaves open (the last ones, when all nodes with room own them already) are
// completed by exchanges along shortest chains (completion.ts). Finally the first owners are
// balanced (primaries.ts), and the other owners are ordered by distance (apart-order.ts).
//
// Invariants, for any input order of the nodes:
//   - the result depends on the set of nodes, shardCount, replication and virtualNodes alone;
//   - every shard has min(replication, nodes) owners, all distinct, on as many distinct zones
//     and then hosts as there are, and so is every prefix of them; this comes before the load bound;
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
  rankAtVisit,
  shardAtVisit,
  virtualNodeCount,
  virtualNodesOf,
} from './ring.ts';
import type { VirtualNodes } from './ring.ts';
import { assertShardCount } from '../base/shard-count.ts';
import { Table } from './table.ts';

/** With fewer nodes than this, an index and a 32-bit offset fit exactly into one double. */
const INDEX_SPAN = 2 ** 20;

/** One member. Nodes of the same `host` or `zone` are expected to fail together. */
export interface PlacementNode {
  readonly id: string;
  readonly host: string;
  readonly zone: string;
  /** Relative size. Default: 1. */
  readonly weight?: number;
}

export interface PlacementInput {
  readonly nodes: readonly PlacementNode[];
  /** A power of two, 1 .. SHARD_COUNT_MAX. */
  readonly shardCount: number;
  /** Replicas wanted per shard, 1 .. REPLICATION_MAX. */
  readonly replication: number;
  /**
   * Owners to list per shard for keyspaces that want more than `replication`. The first
   * `replication` owners do not depend on it, so other keyspaces do not move. Default:
   * `replication`.
   */
  readonly replicationMax?: number;
  /** Virtual nodes per unit of a node's weight, at most one per shard. Default: one per shard. */
  readonly virtualNodes?: number;
}

/**
 * The owners of every shard: element s lists the ids of shard s's owners, first owner first,
 * `min(replicationMax, nodes.length)` of them. Throws INVALID_ARGUMENT for numbers out of range and
 * duplicate ids.
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

/**
 * The number of replicas in `after` that are not in `before`, that is, to be copied. The order of
 * owners does not matter.
 */
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

/** The nodes in order, with zones and hosts as numbers. */
function placesOf(nodes: readonly PlacementNode[]): QuotaNode[] {
  const zones = numbered(nodes.map((node) => node.zone));
  const hosts = numbered(nodes.map((node) => node.host));
  return nodes.map((node, index) => ({
    zone: zones[index] ?? 0,
    host: hosts[index] ?? 0,
    weight: node.weight ?? 1,
  }));
}

/** Adds the owners of `table` to `wider`, and returns `wider`. */
function extended(table: Table, wider: Table): Table {
  for (let shard = 0; shard < table.shardCount; shard++) {
    for (const node of table.ownersOf(shard)) wider.add(shard, node);
  }
  return wider;
}

/** Numbers names 0, 1, 2 ... in order of first appearance. */
function numbered(names: readonly string[]): number[] {
  const numbers = new Map<string, number>();
  return names.map((name) => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  });
}

/** The nodes that still walk round the ring, as parallel arrays. */
interface Walkers {
  readonly rings: readonly VirtualNodes[];
  /** Node indexes; the first `count` of them still walk. */
  readonly nodes: Int32Array;
  count: number;
  /** Indexed by node. A node visits a shard whenever its progress exceeds its number of visits. */
  readonly progress: Float64Array;
  readonly visits: Int32Array;
  /** Indexed by node: the shard that it visits in this round. */
  readonly shards: Int32Array;
  /** One sortable number per visitor: offset, then position in `nodes`. */
  readonly keys: Float64Array;
}

function walkRing(table: Table, rings: readonly VirtualNodes[]): void {
  const { length } = rings;
  const walkers: Walkers = {
    rings,
    nodes: Int32Array.from(rings.keys()),
    count: length,
    progress: new Float64Array(length),
    visits: new Int32Array(length),
    shards: new Int32Array(length),
    keys: new Float64Array(length),
  };
  while (table.missing > 0) {
    stopWalkers(table, walkers);
    if (walkers.count === 0) return;
    const visiting = walkers.keys.subarray(0, advance(table, walkers)).sort();
    for (const key of visiting) {
      const node = walkers.nodes[key % INDEX_SPAN] ?? 0;
      const shard = walkers.shards[node] ?? 0;
      if (!table.owns(shard, node) && table.accepts(shard, node)) table.add(shard, node);
    }
  }
}

/** Removes the walkers that have no room or have visited every shard. */
function stopWalkers(table: Table, walkers: Walkers): void {
  const { visits, nodes, rings } = walkers;
  let count = 0;
  for (let position = 0; position < walkers.count; position++) {
    const node = nodes[position] ?? 0;
    const visitsMax = rings[node]?.visits ?? 0;
    if ((visits[node] ?? 0) < visitsMax && table.hasRoom(node)) nodes[count++] = node;
  }
  walkers.count = count;
}

/**
 * Advances every walker by its share relative to the largest share, so that the largest walker
 * visits a shard in every round. Skips visits to shards that have all their owners: most visits of
 * late rounds are such. Returns the number of visits in `keys`.
 */
function advance(table: Table, walkers: Walkers): number {
  const { keys, visits, nodes, progress, rings, shards } = walkers;
  let fastest = 0;
  for (let position = 0; position < walkers.count; position++) {
    fastest = Math.max(fastest, table.shareOf(nodes[position] ?? 0));
  }
  let count = 0;
  for (let position = 0; position < walkers.count; position++) {
    const node = nodes[position] ?? 0;
    const visit = visits[node] ?? 0;
    const moved = (progress[node] ?? 0) + table.shareOf(node) / fastest;
    progress[node] = moved;
    if (moved < visit + 1) continue;
    visits[node] = visit + 1;
    const ring = rings[node];
    assert(ring !== undefined);
    const shard = shardAtVisit(ring, visit);
    if (table.ownerCountOf(shard) === table.replication) continue;
    shards[node] = shard;
    keys[count++] = offsetAtRank(ring, rankAtVisit(ring, visit)) * INDEX_SPAN + position;
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
