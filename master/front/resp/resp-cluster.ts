// The CLUSTER commands of the master: it describes the datanodes and is none of them, so that a
// cluster client that starts here goes on to them.

import type { ClusterView, NodeView } from '../../../proto/gen/stele/v1/view.ts';
import { HealthStatus, NodeState } from '../../../proto/gen/stele/v1/view.ts';
import { clusterNodeId, describeCluster } from '../../../resp/commands/cluster-description.ts';
import type { ClusterSource } from '../../../resp/commands/cluster-commands.ts';
import type { ClusterDescription, ClusterNode } from '../../../resp/commands/cluster-replies.ts';
import type { Session } from '../../../resp/commands/session.ts';
import { slotOfKey } from '../../../ring/slot.ts';

const MASTER_ID = clusterNodeId('stele-master');

/** What the CLUSTER commands are answered from, for a client that has reached the master. */
export function clusterSource(view: ClusterView, session: Session): ClusterSource {
  return { describe: () => describe(view, session), slotOf: slotOfKey };
}

/** As resp/ describes it, but a node that serves comes before one that may be dead. */
function describe(view: ClusterView, { localAddress }: Session): ClusterDescription {
  const colon = localAddress.lastIndexOf(':');
  const self = {
    id: MASTER_ID,
    host: localAddress.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(localAddress.slice(colon + 1)),
  };
  const answering = { self, isNode: false, isRed: view.health === HealthStatus.RED };
  if (view.routes.length === 0) return { ...answering, nodes: [], ranges: [], epoch: view.epoch };
  const serves = (index: number): boolean => view.nodes[index]?.state === NodeState.SERVING;
  const routes = view.routes.map(({ nodes }) => ({
    nodes: [...nodes.filter(serves), ...nodes.filter((index) => !serves(index))],
  }));
  return describeCluster({ ...view, routes }, stateOf, answering);
}

function stateOf(node: NodeView): ClusterNode['state'] {
  switch (node.state) {
    case NodeState.SERVING:
    case NodeState.DRAINING:
    case NodeState.DRAINED:
      return 'online';
    case NodeState.SUSPECT:
    case NodeState.DOWN:
      return 'failed';
    case NodeState.INITIALIZING:
    case NodeState.UNSPECIFIED:
      return 'loading';
  }
}
