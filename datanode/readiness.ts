// Whether a read sent to this node now would be answered.

import { NodeState } from '../proto/gen/stele/v1/view.ts';
import type { Datanode } from './node.ts';

/** Why it would not; undefined when it would. */
export function notReadyReason(node: Datanode): string | undefined {
  if (node.state !== NodeState.SERVING) return 'segments are being verified';
  if (node.cluster.view === undefined) return 'the master has not sent its view yet';
  return undefined;
}
