// Who may send segments to a datanode, and fetch them: loaders, its peers, backups and
// exports.

import { requireRight } from '../../access/subject.ts';
import type { Subject } from '../../access/subject.ts';
import type { Datanode } from '../node.ts';
import type { SegmentOrigin } from '../../proto/segment-transfer.ts';
import type { SegmentKeeper } from '../transfer/segment-connection.ts';

export function segmentKeeperOf(node: Datanode): SegmentKeeper {
  return {
    admit: async (announced, subject) => {
      if (subject !== undefined) requireLoad(subject, announced.keyspaceUid, node);
      return node.receiving.admit(announced);
    },
    pull: async (announced, origin, subject, watch) => {
      if (subject !== undefined) requireLoad(subject, announced.keyspaceUid, node);
      if (subject?.isCluster === false) requireOrigin(subject, origin);
      await node.pull(announced, origin, watch);
    },
    pace: (byteCount) => node.brake.take(byteCount),
    give: async (wish, subject) => {
      if (subject?.isCluster === false) requireRead(subject, wish.keyspaceUid, node);
      return node.outgoing(wish);
    },
  };
}

/**
 * Throws PERMISSION_DENIED. The view may not have the keyspace of a first load yet; a segment of it
 * counts for nothing unless the master commits it, which asks for the right on that keyspace.
 */
function requireLoad(subject: Subject, keyspaceUid: string, { cluster }: Datanode): void {
  const name = cluster.keyspaceOf(keyspaceUid)?.name;
  if (name !== undefined || !subject.has('load')) requireRight(subject, 'load', name);
}

/**
 * Throws PERMISSION_DENIED. Requests are signed with the datanode's credentials, so a user who may
 * only load does not determine where they go (docs/decisions/0061-pulled-segments.md).
 */
function requireOrigin(subject: Subject, { s3Endpoint }: SegmentOrigin): void {
  if (s3Endpoint !== '') requireRight(subject, 'operate');
}

/** Throws PERMISSION_DENIED. A segment has nothing but records that its reader may read anyway. */
function requireRead(subject: Subject, keyspaceUid: string, { cluster }: Datanode): void {
  requireRight(subject, 'read', cluster.keyspaceOf(keyspaceUid)?.name);
}
