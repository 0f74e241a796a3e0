// Ids for tests, which need not have the form of real ones.

import type { KeyspaceUid } from '../../base/ids.ts';
import type { SegmentId } from '../../base/segment-name.ts';

export function asUid(text: string): KeyspaceUid {
  return text as KeyspaceUid;
}

export function asSegmentId(text: string): SegmentId {
  return text as SegmentId;
}
