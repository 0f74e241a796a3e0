// What would be lost if a datanode were forgotten. Pure.
//
// A node that is removed is asked for nothing any more, so whatever only it has is out of reach. A
// copy elsewhere counts where it is verified and its node answers (a suspect's does: it missed one
// heartbeat). Of a node that this master has not heard yet, nobody knows what it has: then every
// segment without a copy elsewhere may be on it.
//
// Invariant: empty only if each segment of each kept version is on another node that answers.

import { holds } from './holdings.ts';
import type { NodeStatus } from './membership.ts';
import type { World } from './world.ts';

/** Shards of one kept version that would have no copy left. */
export interface Loss {
  readonly keyspace: string;
  readonly version: number;
  /** Ascending; at least one. */
  readonly shards: readonly number[];
}

export function lossOfRemoval(world: World, nodeId: string): Loss[] {
  const others = [...world.nodes.values()].filter((node) => node.id !== nodeId && answers(node));
  const losses: Loss[] = [];
  for (const { name, segmentsByShard, uid, version } of world.datasets) {
    const isElsewhere = ({ id }: { readonly id: string }): boolean =>
      others.some((node) => holdsNow(world, node, uid, id));
    const mayHave = ({ id }: { readonly id: string }): boolean => mayHold(world, nodeId, uid, id);
    const shards = [...segmentsByShard.entries()]
      .filter(([, segments]) => segments.some((one) => !isElsewhere(one) && mayHave(one)))
      .map(([shard]) => shard);
    if (shards.length > 0) losses.push({ keyspace: name, version, shards });
  }
  return losses;
}

function answers({ liveness }: NodeStatus): boolean {
  return liveness === 'SERVING' || liveness === 'SUSPECT';
}

function holdsNow(world: World, node: NodeStatus, uid: string, segmentId: string): boolean {
  const holdings = world.holdings.get(node.id);
  return holdings?.incarnation === node.incarnation && holds(holdings, uid, segmentId);
}

/** Unless its last list says that it does not. */
function mayHold(world: World, nodeId: string, uid: string, segmentId: string): boolean {
  const holdings = world.holdings.get(nodeId);
  return holdings === undefined || holdings.revision === 0 || holds(holdings, uid, segmentId);
}
