// The read counters of all datanodes, asked of each at once. One that does not answer is named, and
// the others are answered for.

import { toSteleError } from '../../base/errors.ts';
import type { GetReadCountersResponse, NodeCounters } from '../../proto/gen/stele/v1/cluster.ts';
import type { Leader } from '../control/leader.ts';

const DEADLINE_MS = 1_000;

export async function readCounters(leader: Leader): Promise<GetReadCountersResponse> {
  const ids = [...leader.catalog.state.node.keys()].sort((left, right) =>
    left.localeCompare(right, 'en', { numeric: true }),
  );
  return { nodes: await Promise.all(ids.map((id) => countersOf(leader, id))), own: undefined };
}

async function countersOf(leader: Leader, nodeId: string): Promise<NodeCounters> {
  const incarnation = leader.world.nodes.get(nodeId)?.incarnation ?? '';
  try {
    const link = leader.roster.connections.requireClient(nodeId);
    const options = { deadlineMs: DEADLINE_MS };
    const { counters } = await link.countReads({ header: leader.header(nodeId) }, options);
    return { nodeId, incarnation, trouble: '', ...(counters === undefined ? {} : { counters }) };
  } catch (thrown) {
    return { nodeId, incarnation, trouble: toSteleError(thrown).message };
  }
}
