// Converts the cluster's view to the description that the CLUSTER commands use.
//
// The view's type belongs to proto/, which this folder must not import; the part that is needed is
// declared here, and a ClusterView fits it.

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

/** The 40 hex digits that identify a datanode in the cluster protocol, derived from its id. */
export function clusterNodeId(nodeId: string): string {
  return createHash('sha1').update(nodeId).digest('hex');
}

/**
 * The description for CLUSTER SLOTS and similar commands: `view`, as the process `answering` sees
 * it.
 */
export function describeCluster<Node extends TopologyNode>(
  view: TopologyView<Node>,
  stateOf: (node: Node) => ClusterNode['state'],
  answering: Pick<ClusterDescription, 'self' | 'isTls' | 'isNode' | 'isRed'>,
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
