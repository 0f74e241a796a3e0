// The CLUSTER commands of a datanode, from the view that the master has sent.

import { HealthStatus, NodeState } from '../proto/gen/stele/v1/view.ts';
import type { NodeView } from '../proto/gen/stele/v1/view.ts';
import {
  clusterInfoText,
  clusterNodesText,
  writeClusterShards,
  writeClusterSlots,
} from '../resp/cluster-replies.ts';
import { clusterNodeId, describeCluster } from '../resp/cluster-description.ts';
import type { ClusterNode } from '../resp/cluster-replies.ts';
import type { CommandArguments } from '../resp/decoder.ts';
import type { ReplyWriter } from '../resp/encoder.ts';
import { slotOfKey } from '../ring/slot.ts';
import type { Datanode } from './node.ts';

/** A cluster of which nothing is known yet: no node, no slot covered. */
const EMPTY_VIEW = { epoch: 0, shardCount: 1, nodes: [], routes: [] };

/** Answers one `cluster|...` command that needs no data. */
export function writeClusterReply(
  node: Datanode,
  name: string,
  command: CommandArguments,
  out: ReplyWriter,
): void {
  const { nodeId } = node.identity;
  const describe = () => describeCluster(node.cluster.view ?? EMPTY_VIEW, stateOf, nodeId);
  switch (name) {
    case 'cluster|info':
      out.verbatim(clusterInfoText(describe(), node.cluster.view?.health === HealthStatus.RED));
      break;
    case 'cluster|myid':
      out.bulkText(clusterNodeId(nodeId));
      break;
    case 'cluster|slots':
      writeClusterSlots(describe(), out);
      break;
    case 'cluster|shards':
      writeClusterShards(describe(), out);
      break;
    case 'cluster|nodes':
      out.verbatim(clusterNodesText(describe()));
      break;
    case 'cluster|keyslot':
      out.integer(slotOfKey(command.buffer, command.starts[2] ?? 0, command.ends[2] ?? 0));
      break;
    default:
      out.error(`ERR '${name.replace('|', ' ').toUpperCase()}' is not supported here`);
  }
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
