// What can be read of each keyspace, and whether it is known by now. Pure.
//
// After a master's start a shard without a replica may only not have been heard of yet. So long its reads
// are UNINITIALIZED; once every known node has told what it has, or its repair delay is over, the shard is
// lost for the time being, and UNAVAILABLE. All other shards and keyspaces are read from the first moment.

import { isMember, isServing } from './membership.ts';
import type { NodeStatus } from './membership.ts';
import { coverageOf } from './coverage.ts';
import { servingOf } from './serving.ts';
import { isInStep } from './world.ts';
import type { World } from './world.ts';

const NO_SHARDS: readonly number[] = [];

/** Shards of the current version, ascending, that no serving node can answer for. */
export function unansweredShards(world: World, uid: string): readonly number[] {
  return servingOf(world).unanswered[currentPosition(world, uid)] ?? NO_SHARDS;
}

const positions = new WeakMap<World['datasets'], ReadonlyMap<string, number>>();

/** Of the keyspace's current version in `world.datasets`; -1 where it has none. */
export function currentPosition({ datasets }: World, uid: string): number {
  let known = positions.get(datasets);
  if (known === undefined) {
    known = new Map(
      datasets.flatMap((dataset, at) => (dataset.current ? [[dataset.uid, at]] : [])),
    );
    positions.set(datasets, known);
  }
  return known.get(uid) ?? -1;
}

const bitmaps = new WeakMap<readonly number[], Buffer>();

/** As bits, shard s in byte s / 8; the same Buffer for the same list. */
export function shardBits(shards: readonly number[], shardCount: number): Buffer {
  const known = bitmaps.get(shards);
  if (known !== undefined) return known;
  const bits = Buffer.alloc(Math.ceil(shardCount / 8));
  for (const shard of shards) bits[shard >>> 3] = (bits[shard >>> 3] ?? 0) | (1 << (shard & 7));
  bitmaps.set(shards, bits);
  return bits;
}

/**
 * Whether every known node was heard, or is out for its repair delay. A node that answers and cannot be
 * brought in step is waited for until `waitUntilMs`; one that verifies its files as long as that takes.
 */
export function isSettled(world: World, waitUntilMs: number): boolean {
  if (world.nodes.size === 0) return false;
  const { nodes } = coverageOf(world);
  const isKnown = (node: NodeStatus): boolean => {
    if (!isServing(node)) return !isMember(node, world.nowMs);
    if (world.nowMs >= waitUntilMs) return true;
    return isInStep(world, node) && nodes.get(node.id)?.knows.includes(0) === false;
  };
  return [...world.nodes.values()].every(isKnown);
}
