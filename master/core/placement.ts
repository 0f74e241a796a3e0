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
  const nodes = eligibleNodes(input).map(({ id, address, weight, zone }) => ({
    id,
    host: address.host,
    zone,
    weight,
  }));
  nodes.sort((left, right) => (left.id < right.id ? -1 : 1));
  const { replication, shardCount } = input;
  const extended = { nodes, shardCount, replication, replicationMax: replicationMax(input) };
  const key = JSON.stringify(extended);
  return key === before.key ? before : { key, owners: placeShards(extended) };
}
