// From the cluster's view to what the CLUSTER commands describe.
//
// The view's type belongs to proto/, which this folder does not know; what is needed of it is
// written down here, and a ClusterView fits.

import { createHash } from 'node:crypto';
import { SLOT_COUNT } from '../../base/limits.ts';
import type { ClusterDescription, ClusterNode } from './cluster-replies.ts';

/** The part of a view that the CLUSTER commands need. */
export interface TopologyView<Node extends TopologyNode = TopologyNode> {
  readonly epoch: number;
  readonly shardCount: number;
  readonly nodes: readonly Node[];
  /** Per shard, indexes into `nodes`, best first. */
  readonly routes: readonly { readonly nodes: readonly number[] }[];
}

export interface TopologyNode {
  readonly id: string;
  readonly address?: { readonly host: string; readonly respPort: number } | undefined;
}

/** The 40 hex digits that stand for a datanode in the cluster protocol: always the same for one id. */
export function clusterNodeId(nodeId: string): string {
  return createHash('sha1').update(nodeId).digest('hex');
}

/** What CLUSTER SLOTS and its like describe: `view`, as `answering` sees it. */
export function describeCluster<Node extends TopologyNode>(
  view: TopologyView<Node>,
  stateOf: (node: Node) => ClusterNode['state'],
  answering: Pick<ClusterDescription, 'self' | 'isNode' | 'isRed'>,
): ClusterDescription {
  const slotsPerShard = SLOT_COUNT / view.shardCount;
  return {
    ...answering,
    nodes: view.nodes.map((node) => ({
      id: clusterNodeId(node.id),
      host: node.address?.host ?? '',
      port: node.address?.respPort ?? 0,
      state: stateOf(node),
    })),
    ranges: view.routes.map((route, shard) => ({
      start: shard * slotsPerShard,
      end: (shard + 1) * slotsPerShard - 1,
      owners: route.nodes,
    })),
    epoch: view.epoch,
  };
}
