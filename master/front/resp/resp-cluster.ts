// The CLUSTER commands of the master. It describes the datanodes and is none of them, so that a
// cluster client that starts here continues with them.

import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { HealthStatus, NodeState } from '../../../proto/gen/stele/v1/view.ts';
import { clusterNodeId, describeCluster } from '../../../resp/cluster/cluster-description.ts';
import type { ClusterSource } from '../../../resp/cluster/cluster-commands.ts';
import type { ClusterDescription } from '../../../resp/cluster/cluster-replies.ts';
import type { Session } from '../../../resp/commands/session.ts';
import { redisNodeState } from '../../../proto/view-words.ts';
import { slotOfKey } from '../../../ring/slot.ts';

const MASTER_ID = clusterNodeId('stele-master');

/** The source of the CLUSTER commands for a client of the master. */
export function clusterOfMaster(view: ClusterView, session: Session): ClusterSource {
  return { describe: () => describe(view, session), slotOf: slotOfKey };
}

/** As in resp/, but a serving node comes before one that may be dead. */
function describe(view: ClusterView, { isTls, localAddress }: Session): ClusterDescription {
  const colon = localAddress.lastIndexOf(':');
  const self = {
    id: MASTER_ID,
    host: localAddress.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(localAddress.slice(colon + 1)),
  };
  const answering = { self, isTls, isNode: false, isRed: view.health === HealthStatus.RED };
  if (view.routes.length === 0) return { ...answering, nodes: [], ranges: [], epoch: view.epoch };
  const serves = (index: number): boolean => view.nodes[index]?.state === NodeState.SERVING;
  const routes = view.routes.map(({ nodes }) => ({
    nodes: [...nodes.filter(serves), ...nodes.filter((index) => !serves(index))],
  }));
  return describeCluster({ ...view, routes }, redisNodeState, answering);
}
