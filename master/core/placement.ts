// Where the ring wants each shard, remembered for as long as the membership stays the same.

import { placeShards } from '../../ring/placement.ts';
import { eligibleNodes, replicationMax } from './world.ts';
import type { World } from './world.ts';

type PlacementInput = Pick<
  World,
  'nodes' | 'draining' | 'nowMs' | 'shardCount' | 'replication' | 'datasets'
>;

export type Placement = readonly (readonly string[])[];

/** A placement function with a memory of one membership; otherwise pure. */
export function placementMemo(): (input: PlacementInput) => Placement {
  let lastKey = '';
  let last: Placement = [];
  return (input) => {
    const nodes = eligibleNodes(input).map(({ id, address, zone }) => ({
      id,
      host: address.host,
      zone,
    }));
    nodes.sort((left, right) => (left.id < right.id ? -1 : 1));
    const replication = replicationMax(input);
    const key = JSON.stringify([input.shardCount, replication, nodes]);
    if (key !== lastKey) {
      last = placeShards({ nodes, shardCount: input.shardCount, replication });
      lastKey = key;
    }
    return last;
  };
}
