// Balances first owners. The walk makes the nearest virtual node first. A node with too many first
// places passes some to other owners of the same shards, so no replica moves.
//
// A hand-over may go along a chain (a to b in one shard, b to c in another) if b is full itself.
// The shortest chain is found breadth first, in order, so the result depends on the table alone.

import assert from 'node:assert/strict';
import { primaryMax } from './quota.ts';
import type { Table } from './table.ts';

/**
 * Reduces every node's first places to its bound, as far as the other owners of its shards can take
 * them.
 */
export function evenOutPrimaries(table: Table): void {
  const firsts: Set<number>[] = Array.from({ length: table.nodeCount }, () => new Set<number>());
  for (let shard = 0; shard < table.shardCount; shard++) {
    firstsOf(firsts, table.ownersOf(shard)[0]).add(shard);
  }
  for (let node = 0; node < table.nodeCount; node++) {
    const most = primaryMax(table.shareOf(node), table.replication);
    while (firstsOf(firsts, node).size > most && handOver(table, firsts, node)) continue;
  }
}

/**
 * One step of a chain: `node` becomes the first owner of `shard` in place of the node of the
 * previous step.
 */
interface Step {
  readonly node: number;
  readonly shard: number;
  readonly previous: Step | undefined;
}

function handOver(table: Table, firsts: readonly Set<number>[], giver: number): boolean {
  const queue: Step[] = [{ node: giver, shard: -1, previous: undefined }];
  const seen = new Set([giver]);
  for (let at = 0; at < queue.length; at++) {
    const step = queue[at];
    assert(step !== undefined);
    const most = primaryMax(table.shareOf(step.node), table.replication);
    if (step.node !== giver && firstsOf(firsts, step.node).size < most) {
      carryOut(table, firsts, step);
      return true;
    }
    for (const shard of firstsOf(firsts, step.node)) {
      for (const node of table.ownersOf(shard)) {
        if (seen.has(node)) continue;
        seen.add(node);
        queue.push({ node, shard, previous: step });
      }
    }
  }
  return false;
}

function carryOut(table: Table, firsts: readonly Set<number>[], last: Step): void {
  for (let step = last; step.previous !== undefined; step = step.previous) {
    table.makeFirst(step.shard, step.node);
    firstsOf(firsts, step.previous.node).delete(step.shard);
    firstsOf(firsts, step.node).add(step.shard);
  }
}

function firstsOf(firsts: readonly Set<number>[], node: number | undefined): Set<number> {
  const found = firsts[node ?? -1];
  assert(found !== undefined);
  return found;
}
