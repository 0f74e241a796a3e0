// Connections of the HTTP port that change to the segment protocol (proto/segment-transfer.ts).

import { SEGMENTS_PATH, SEGMENTS_PROTOCOL } from '../../proto/segment-transfer.ts';
import { SegmentConnection } from './segment-connection.ts';
import type { SegmentKeeper } from './segment-connection.ts';
import type { Upgrade } from '../../transport/upgrades.ts';

/** Loaders use eight each, datanodes a few. Whoever comes on top is refused and tries again. */
const CONNECTIONS_MAX = 1024;

/** Takes segments and gives them. */
export function segmentUpgrade(keeper: SegmentKeeper): Upgrade {
  return {
    path: SEGMENTS_PATH,
    protocol: SEGMENTS_PROTOCOL,
    connectionsMax: CONNECTIONS_MAX,
    open: (socket, _, onClose) => new SegmentConnection(socket, keeper, onClose),
  };
}
