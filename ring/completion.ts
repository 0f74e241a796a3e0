// Completion of a placement whose walk round the ring has ended with replicas still unplaced.
//
// It happens at the very end of the walk: the nodes that have room own the open shard already, or
// share a zone with an owner. Then a chain of exchanges frees a place on a node that will do:
//
//     open shard s  <- b      b is full, but may own s
//     shard t: b -> c         c takes over one of b's shards
//     shard u: c -> d         ... until some node has room
//
// The shortest chain is found breadth first, nodes and shards in order, so the result depends on
// the table alone. Where there is no chain (zones too unequal for the bound), the bound gives way, never the distinctness.

import assert from 'node:assert/strict';
import type { Table } from './table.ts';

/** A search that finds no chain has looked at everything; after so many the bound just gives way. */
const FAILED_SEARCHES_MAX = 8;

/** Gives every shard its full number of owners. */
export function completeShards(table: Table): void {
  let failedSearches = 0;
  for (let shard = 0; shard < table.shardCount && table.missing > 0; shard++) {
    while (table.ownerCountOf(shard) < table.replication) {
      if (failedSearches < FAILED_SEARCHES_MAX) {
        if (placeByChain(table, shard)) continue;
        failedSearches++;
      }
      table.add(shard, leastBadOwner(table, shard));
    }
  }
}

/** One step of a chain: `node` may take `shard` over from the step before (or take the open shard). */
interface Step {
  readonly node: number;
  readonly shard: number;
  readonly previous: Step | undefined;
}

function placeByChain(table: Table, openShard: number): boolean {
  const shardsByNode = indexByNode(table);
  const queue: Step[] = [];
  const seen = new Uint8Array(table.nodeCount);
  const visit = (node: number, shard: number, previous: Step | undefined): void => {
    seen[node] = 1;
    queue.push({ node, shard, previous });
  };

  for (let node = 0; node < table.nodeCount; node++) {
    if (!table.owns(openShard, node) && table.accepts(openShard, node)) {
      visit(node, openShard, undefined);
    }
  }
  for (let at = 0; at < queue.length; at++) {
    const step = queue[at];
    assert(step !== undefined);
    if (table.hasRoom(step.node)) {
      carryOut(table, step);
      return true;
    }
    for (const shard of shardsByNode[step.node] ?? []) {
      if (isInChain(step, shard)) continue;
      for (let node = 0; node < table.nodeCount; node++) {
        if (seen[node] === 1 || table.owns(shard, node)) continue;
        if (table.acceptsInstead(shard, node, step.node)) visit(node, shard, step);
      }
    }
  }
  return false;
}

function carryOut(table: Table, last: Step): void {
  let step = last;
  while (step.previous !== undefined) {
    table.replace(step.shard, step.previous.node, step.node);
    step = step.previous;
  }
  table.add(step.shard, step.node);
}

/** A shard changes hands once in a chain: what may replace whom was asked of the table as it is. */
function isInChain(last: Step, shard: number): boolean {
  for (let step: Step | undefined = last; step !== undefined; step = step.previous) {
    if (step.shard === shard) return true;
  }
  return false;
}

function indexByNode(table: Table): number[][] {
  const shardsByNode: number[][] = Array.from({ length: table.nodeCount }, () => []);
  for (let shard = 0; shard < table.shardCount; shard++) {
    for (const node of table.ownersOf(shard)) shardsByNode[node]?.push(shard);
  }
  return shardsByNode;
}

/** Farthest from the other owners first (zone, then host), then the least loaded for its share. */
function leastBadOwner(table: Table, shard: number): number {
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
  return best;
}
