// Where the ring wants each shard, remembered for as long as the membership stays the same. Pure.

import { placeShards } from '../../ring/placement.ts';
import { eligibleNodes, replicationMax } from './world.ts';
import type { World } from './world.ts';

type PlacementInput = Pick<
  World,
  'nodes' | 'draining' | 'nowMs' | 'shardCount' | 'replication' | 'datasets'
>;

type Placement = readonly (readonly string[])[];

/** A placement, and what it depends on. */
export interface Placed {
  readonly key: string;
  readonly owners: Placement;
}

export const NO_PLACEMENT: Placed = { key: '', owners: [] };

/** The placement for `input`: `before` itself where nothing that it depends on has changed. */
export function placeOwners(before: Placed, input: PlacementInput): Placed {
  const nodes = eligibleNodes(input).map(({ id, address, zone }) => ({
    id,
    host: address.host,
    zone,
  }));
  nodes.sort((left, right) => (left.id < right.id ? -1 : 1));
  const replication = replicationMax(input);
  const key = JSON.stringify([input.shardCount, replication, nodes]);
  if (key === before.key) return before;
  return { key, owners: placeShards({ nodes, shardCount: input.shardCount, replication }) };
}
