// What can be read of each keyspace, and whether startup is over. Pure.
//
// After a master's start, a shard without a replica may just not have been reported yet. Until
// then, its reads return UNINITIALIZED. Once every known node has reported its holdings, or its
// repair delay is over, reads of the shard return UNAVAILABLE. All other shards and keyspaces can
// be read from the start.

import type { KeyspaceUid } from '../../../base/ids.ts';
import { isMember, isServing } from '../world/membership.ts';
import type { NodeStatus } from '../world/membership.ts';
import { coverageOf } from './coverage.ts';
import { servingOf } from './serving.ts';
import { isInStep } from '../world/world.ts';
import type { World } from '../world/world.ts';

const NO_SHARDS: readonly number[] = [];

/** Shards of the current version, ascending, that no serving node can answer for. */
export function unansweredShards(world: World, uid: KeyspaceUid): readonly number[] {
  return servingOf(world).unanswered[currentPosition(world, uid)] ?? NO_SHARDS;
}

const positions = new WeakMap<World['datasets'], ReadonlyMap<string, number>>();

/** Position of the keyspace's current version in `world.datasets`; -1 if it has none. */
export function currentPosition({ datasets }: World, uid: KeyspaceUid): number {
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

/** The shards as bits, shard s in byte s / 8. Returns the same Buffer for the same list. */
export function shardBits(shards: readonly number[], shardCount: number): Buffer {
  const known = bitmaps.get(shards);
  if (known !== undefined) return known;
  const bits = Buffer.alloc(Math.ceil(shardCount / 8));
  for (const shard of shards) bits[shard >>> 3] = (bits[shard >>> 3] ?? 0) | (1 << (shard & 7));
  bitmaps.set(shards, bits);
  return bits;
}

/**
 * Whether every known node has reported, or is out after its repair delay. A node that answers and
 * does not get in sync is waited for until `waitUntilMs`, one that verifies its files until it is
 * done.
 */
export function isSettled(world: World, waitUntilMs: number): boolean {
  if (world.nodes.size === 0) return false;
  const { nodes } = coverageOf(world);
  const isKnown = (node: NodeStatus): boolean => {
    if (!isServing(node)) return !isMember(node, world.nowMs);
    if (world.nowMs >= waitUntilMs) return true;
    return isInStep(world, node) && nodes.get(node.id)?.hasManifest.includes(0) === false;
  };
  return [...world.nodes.values()].every(isKnown);
}
