// The CLUSTER commands of a datanode, from the view that the master has sent.

import { HealthStatus, NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import { clusterNodeId, describeCluster } from '../../resp/commands/cluster-description.ts';
import type { ClusterSource } from '../../resp/commands/cluster-commands.ts';
import type { ClusterNode } from '../../resp/commands/cluster-replies.ts';
import { slotOfKey } from '../../ring/slot.ts';
import type { Datanode } from '../node.ts';

/** A cluster of which nothing is known yet: no node, no slot covered. */
const EMPTY_VIEW = { epoch: 0, shardCount: 1, nodes: [], routes: [] };

/** What the CLUSTER commands are answered from. */
export function clusterSource(node: Datanode): ClusterSource {
  return {
    describe: () => {
      const { view } = node.cluster;
      const { host, respPort: port } = node.address;
      return describeCluster(view ?? EMPTY_VIEW, stateOf, {
        self: { id: clusterNodeId(node.identity.nodeId), host, port },
        isNode: true,
        isRed: view?.health === HealthStatus.RED,
      });
    },
    slotOf: slotOfKey,
  };
}

/** How a node's state reads to a cluster client. */
function stateOf(node: NodeView): ClusterNode['state'] {
  switch (node.state) {
    case NodeState.DOWN:
    case NodeState.SUSPECT:
      return 'failed';
    case NodeState.INITIALIZING:
    case NodeState.UNSPECIFIED:
      return 'loading';
    case NodeState.SERVING:
    case NodeState.DRAINING:
    case NodeState.DRAINED:
      return 'online';
  }
}
