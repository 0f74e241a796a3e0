// The ring's owners of each shard, memoised while the membership stays the same. Pure.

import { placeShards } from '../../../ring/placement.ts';
import type { PlacementInput as RingInput, PlacementNode } from '../../../ring/placement.ts';
import { eligibleNodes, replicationMax } from './world.ts';
import type { World } from './world.ts';

type PlacementInput = Pick<
  World,
  'nodes' | 'draining' | 'nowMs' | 'shardCount' | 'virtualNodes' | 'replication' | 'datasets'
>;

type Placement = readonly (readonly string[])[];

/** A placement and its inputs. */
export interface Placed {
  readonly input: RingInput | undefined;
  readonly owners: Placement;
}

export const NO_PLACEMENT: Placed = { input: undefined, owners: [] };

/** The placement for `input`. Returns `before` itself if none of its inputs has changed. */
export function placeOwners(before: Placed, input: PlacementInput): Placed {
  const nodes = eligibleNodes(input).map(({ id, address, weight, zone }) => ({
    id,
    host: address.host,
    zone,
    weight,
  }));
  nodes.sort((left, right) => (left.id < right.id ? -1 : 1));
  const { replication, shardCount, virtualNodes } = input;
  const most = replicationMax(input);
  const asked = { nodes, shardCount, virtualNodes, replication, replicationMax: most };
  const isSame = before.input !== undefined && isSameInput(before.input, asked);
  return isSame ? before : { input: asked, owners: placeShards(asked) };
}

/** Called in each turn, over all nodes. */
function isSameInput(left: RingInput, right: RingInput): boolean {
  return (
    left.shardCount === right.shardCount &&
    left.virtualNodes === right.virtualNodes &&
    left.replication === right.replication &&
    left.replicationMax === right.replicationMax &&
    left.nodes.length === right.nodes.length &&
    left.nodes.every((node, at) => isSameNode(node, right.nodes[at]))
  );
}

function isSameNode(left: PlacementNode, right: PlacementNode | undefined): boolean {
  return (
    left.id === right?.id &&
    left.host === right.host &&
    left.zone === right.zone &&
    left.weight === right.weight
  );
}
