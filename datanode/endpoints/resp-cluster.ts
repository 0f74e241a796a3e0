// Answers the CLUSTER commands of a datanode from the view that the master has sent.

import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { clusterNodeId, describeCluster } from '../../resp/cluster/cluster-description.ts';
import type { Session } from '../../resp/commands/session.ts';
import type { ClusterSource } from '../../resp/cluster/cluster-commands.ts';
import { redisNodeState } from '../../proto/view-words.ts';
import { slotOfKey } from '../../ring/slot.ts';
import type { Datanode } from '../node.ts';

/** Stands for a cluster of which nothing is known yet: no nodes, no covered slots. */
const EMPTY_VIEW = { epoch: 0, shardCount: 1, nodes: [], routes: [] };

/** The source of the CLUSTER commands' replies. */
export function clusterOfDatanode(node: Datanode, { isTls }: Session): ClusterSource {
  return {
    describe: () => {
      const { view } = node.cluster;
      const { host, respPort: port } = node.address;
      return describeCluster(view ?? EMPTY_VIEW, redisNodeState, {
        self: { id: clusterNodeId(node.identity.nodeId), host, port },
        isTls,
        isNode: true,
        isRed: view?.health === HealthStatus.RED,
      });
    },
    slotOf: slotOfKey,
  };
}
