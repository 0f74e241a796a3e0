// Who has a shard and why, as a cluster tells it.

import { NodeState } from '../../../proto/gen/stele/v1/view.ts';

export const EXPLAINED = {
  replicas: [
    {
      nodeId: 'datanode-0',
      owner: true,
      holds: true,
      state: NodeState.SERVING,
      reason: 'first on the ring',
    },
  ],
  servedBy: 'datanode-0',
  segmentIds: [],
};
