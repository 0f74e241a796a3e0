// The CLUSTER commands of the master: it describes the datanodes and is none of them, so that a
// cluster client that starts here goes on to them.

import type { ClusterView, NodeView } from '../../proto/gen/stele/v1/view.ts';
import { HealthStatus, NodeState } from '../../proto/gen/stele/v1/view.ts';
import { clusterNodeId, describeCluster } from '../../resp/cluster-description.ts';
import {
  clusterInfoText,
  clusterNodesText,
  writeClusterShards,
  writeClusterSlots,
} from '../../resp/cluster-replies.ts';
import type { ClusterDescription, ClusterNode } from '../../resp/cluster-replies.ts';
import type { CommandArguments } from '../../resp/decoder.ts';
import type { ReplyWriter } from '../../resp/encoder.ts';
import { slotOfKey } from '../../ring/slot.ts';

const MASTER_ID = 'stele-master';

/** Answers one `cluster|...` command that needs no data. */
export function writeClusterReply(
  view: ClusterView,
  name: string,
  command: CommandArguments,
  out: ReplyWriter,
): void {
  switch (name) {
    case 'cluster|info':
      out.verbatim(clusterInfoText(describe(view), view.health === HealthStatus.RED));
      break;
    case 'cluster|myid':
      out.bulkText(clusterNodeId(MASTER_ID));
      break;
    case 'cluster|slots':
      writeClusterSlots(describe(view), out);
      break;
    case 'cluster|shards':
      writeClusterShards(describe(view), out);
      break;
    case 'cluster|nodes':
      out.verbatim(clusterNodesText(describe(view)));
      break;
    case 'cluster|keyslot':
      out.integer(slotOfKey(command.buffer, command.starts[2] ?? 0, command.ends[2] ?? 0));
      break;
    default:
      out.error(`ERR '${name.replace('|', ' ').toUpperCase()}' is not supported here`);
  }
}

/** As resp/ describes it, but a node that serves comes before one that may be dead. */
function describe(view: ClusterView): ClusterDescription {
  if (view.routes.length === 0) {
    return { nodes: [], ranges: [], epoch: view.epoch };
  }
  const serves = (index: number): boolean => view.nodes[index]?.state === NodeState.SERVING;
  const routes = view.routes.map(({ nodes }) => ({
    nodes: [...nodes.filter(serves), ...nodes.filter((index) => !serves(index))],
  }));
  return describeCluster({ ...view, routes }, stateOf);
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
