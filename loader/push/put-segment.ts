// One segment to one datanode, over one of the connections kept to it (segment-link.ts).
//
// The bytes are written straight from the segment's memory, in slices, each as the one before has
// been taken: no copy is made, and what a node does not take is noticed.

import { SteleError } from '../../base/errors.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import type { SegmentAnnouncement } from '../../proto/segment-transfer.ts';
import type { SegmentLink, SegmentLinks } from './segment-link.ts';
import { Throttle } from '../bytes/throttle.ts';

const NO_LIMIT = new Throttle(0);

/**
 * A segment on its way. `bytes` is over a SharedArrayBuffer and is read until it is stored; undefined: it
 * is only asked whether the node has it.
 */
export interface OutgoingSegment {
  readonly info: SegmentInfo;
  readonly bytes: Uint8Array | undefined;
}

/** Who sends what. */
export interface PushIdentity {
  readonly keyspaceUid: string;
  readonly loadId: string;
}

/**
 * Resolves once the node has verified and synced the segment, or had it. Rejects with the node's own
 * error, UNAVAILABLE for a broken connection, DEADLINE_EXCEEDED, or CANCELLED by `signal`. Resolves to
 * false where the node wants bytes that were not given.
 */
export async function putSegment(
  links: SegmentLinks,
  node: NodeView,
  identity: PushIdentity,
  segment: OutgoingSegment,
  signal: AbortSignal,
  throttle = NO_LIMIT,
): Promise<boolean> {
  const link = await links.take(signal);
  const onAbort = (): void => link.close(new SteleError('CANCELLED', 'The load has ended.'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const announced = announcementOf(node, identity, segment);
    if ((await link.ask(announced)) === 'stored') return true;
    if (segment.bytes === undefined) {
      // The node waits for bytes on this connection.
      link.close(new SteleError('UNAVAILABLE', 'The segment was only asked for.'));
      return false;
    }
    await sendBytes(link, segment.bytes, throttle, signal);
    await link.stored();
    return true;
  } finally {
    signal.removeEventListener('abort', onAbort);
    links.giveBack(link);
  }
}

function announcementOf(
  node: NodeView,
  identity: PushIdentity,
  { info }: OutgoingSegment,
): SegmentAnnouncement {
  return {
    ...identity,
    segmentId: info.id,
    byteLength: info.fileBytes,
    expectNode: node.id,
    expectIncarnation: node.incarnation,
  };
}

async function sendBytes(
  link: SegmentLink,
  bytes: Uint8Array,
  throttle: Throttle,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < bytes.length;) {
    const end = Math.min(bytes.length, start + throttle.sliceBytes);
    if (throttle.isOn) await throttle.wait(end - start, signal);
    await link.send(bytes.subarray(start, end));
    start = end;
  }
}
