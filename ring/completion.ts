// Completes a placement that still misses replicas when the walk round the ring has ended.
//
// At that point the nodes with room already own the open shard, or share a zone with an owner. A
// chain of exchanges then frees a place on a node that is acceptable:
//
//     open shard s  <- b      b is full, but may own s
//     shard t: b -> c         c takes over one of b's shards
//     shard u: c -> d         ... until some node has room
//
// The shortest chain is found breadth first, over nodes and shards in order, so the result depends
// on the table alone. If there is no chain (the zones are too unequal for the load bound), the load
// bound is exceeded; owners stay distinct.

import assert from 'node:assert/strict';
import type { Table } from './table.ts';

/**
 * Candidates examined in all searches together (tens of milliseconds). After that the load bound is
 * exceeded instead.
 */
const CANDIDATES_MAX = 5_000_000;

/** The remainder of CANDIDATES_MAX. */
interface Budget {
  candidates: number;
}

/** The shards that each node owns. Updated with every exchange. */
type ShardsByNode = readonly Set<number>[];

/** Gives every shard its full number of owners. */
export function completeShards(table: Table): void {
  if (table.missing === 0) return;
  const shardsByNode = indexByNode(table);
  const budget: Budget = { candidates: CANDIDATES_MAX };
  for (let shard = 0; shard < table.shardCount; shard++) {
    while (table.ownerCountOf(shard) < table.replication) {
      const chain = findChain(table, shardsByNode, shard, budget) ?? leastBadStep(table, shard);
      carryOut(table, shardsByNode, chain);
    }
  }
}

/**
 * One step of a chain: `node` takes `shard` over from the node of the previous step, or takes the
 * open shard.
 */
interface Step {
  readonly node: number;
  readonly shard: number;
  readonly previous: Step | undefined;
}

/**
 * The last step of the shortest chain that ends at a node with room. Undefined if there is none or
 * the budget is spent.
 */
function findChain(
  table: Table,
  shardsByNode: ShardsByNode,
  openShard: number,
  budget: Budget,
): Step | undefined {
  const seen = new Uint8Array(table.nodeCount);
  const queue: Step[] = [];
  for (let node = 0; node < table.nodeCount; node++) {
    if (table.owns(openShard, node) || !table.accepts(openShard, node)) continue;
    const step = { node, shard: openShard, previous: undefined };
    if (table.hasRoom(node)) return step;
    seen[node] = 1;
    queue.push(step);
  }
  for (let at = 0; at < queue.length && budget.candidates > 0; at++) {
    const previous = queue[at];
    assert(previous !== undefined);
    for (const shard of ownedBy(shardsByNode, previous.node)) {
      if (isInChain(previous, shard)) continue;
      budget.candidates -= table.nodeCount;
      if (budget.candidates <= 0) return undefined;
      for (let node = 0; node < table.nodeCount; node++) {
        if (seen[node] === 1 || table.owns(shard, node)) continue;
        if (!table.acceptsInstead(shard, node, previous.node)) continue;
        const step = { node, shard, previous };
        if (table.hasRoom(node)) return step;
        seen[node] = 1;
        queue.push(step);
      }
    }
  }
  return undefined;
}

function carryOut(table: Table, shardsByNode: ShardsByNode, last: Step): void {
  let step = last;
  while (step.previous !== undefined) {
    table.replace(step.shard, step.previous.node, step.node);
    ownedBy(shardsByNode, step.previous.node).delete(step.shard);
    ownedBy(shardsByNode, step.node).add(step.shard);
    step = step.previous;
  }
  table.add(step.shard, step.node);
  ownedBy(shardsByNode, step.node).add(step.shard);
}

/**
 * Whether the chain already moves `shard`. Each shard moves once, because the table is not updated
 * during the search.
 */
function isInChain(last: Step, shard: number): boolean {
  for (let step: Step | undefined = last; step !== undefined; step = step.previous) {
    if (step.shard === shard) return true;
  }
  return false;
}

function indexByNode(table: Table): ShardsByNode {
  const shardsByNode = Array.from({ length: table.nodeCount }, () => new Set<number>());
  for (let shard = 0; shard < table.shardCount; shard++) {
    for (const node of table.ownersOf(shard)) ownedBy(shardsByNode, node).add(shard);
  }
  return shardsByNode;
}

function ownedBy(shardsByNode: ShardsByNode, node: number): Set<number> {
  const shards = shardsByNode[node];
  assert(shards !== undefined);
  return shards;
}

/**
 * The least bad owner for `shard` beyond the load bound: farthest from its other owners, then the
 * least loaded for its share.
 */
function leastBadStep(table: Table, shard: number): Step {
  let best = -1;
  let bestApartness = -1;
  let bestLoad = Infinity;
  for (let node = 0; node < table.nodeCount; node++) {
    if (table.owns(shard, node)) continue;
    const apartness = table.apartness(shard, node);
    const load = (table.loadOf(node) + 1) / table.shareOf(node);
    if (apartness < bestApartness || (apartness === bestApartness && load >= bestLoad)) continue;
    best = node;
    bestApartness = apartness;
    bestLoad = load;
  }
  assert(best >= 0, 'there are at least as many nodes as replicas');
  return { node: best, shard, previous: undefined };
}
