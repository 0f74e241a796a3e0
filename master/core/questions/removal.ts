// Computes the data that would be lost if a datanode were removed. Pure.
//
// A removed node is not contacted any more, so data that only it has is out of reach. A copy
// elsewhere counts if it is verified and its node answers (a suspect's does: it missed one
// heartbeat). The holdings of a node that this master has not heard from are unknown: any segment
// without a copy elsewhere may be on it.
//
// Invariant: empty only if each segment of each kept version is on another node that answers.

import type { SegmentRecord } from '../../catalog/records.ts';
import type { SegmentId } from '../../../base/segment-name.ts';
import type { KeyspaceUid } from '../../../base/ids.ts';
import { holds } from '../world/holdings.ts';
import type { NodeStatus } from '../world/membership.ts';
import type { World } from '../world/world.ts';

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
    const isElsewhere = ({ id }: SegmentRecord): boolean =>
      others.some((node) => holdsNow(world, node, uid, id));
    const mayHave = ({ id }: SegmentRecord): boolean => mayHold(world, nodeId, uid, id);
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

function holdsNow(world: World, node: NodeStatus, uid: KeyspaceUid, segmentId: SegmentId): boolean {
  const holdings = world.holdings.get(node.id);
  return holdings?.incarnation === node.incarnation && holds(holdings, uid, segmentId);
}

/** True unless its last list shows that it does not. */
function mayHold(world: World, nodeId: string, uid: KeyspaceUid, segmentId: SegmentId): boolean {
  const holdings = world.holdings.get(nodeId);
  return holdings === undefined || holdings.revision === 0 || holds(holdings, uid, segmentId);
}
