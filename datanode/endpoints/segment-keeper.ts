// Who may send segments to a datanode, and fetch them: loaders, its peers, and backups.

import { requireRight } from '../../access/subject.ts';
import type { Subject } from '../../access/subject.ts';
import type { Datanode } from '../node.ts';
import type { SegmentKeeper } from '../transfer/segment-connection.ts';

export function segmentKeeperOf(node: Datanode): SegmentKeeper {
  return {
    admit: async (announced, subject) => {
      if (subject !== undefined) requireLoad(subject, announced.keyspaceUid, node);
      return node.receiving.admit(announced);
    },
    pace: (byteCount) => node.brake.take(byteCount),
    give: async (wish, subject) => {
      if (subject?.isCluster === false) requireBackup(subject, wish.keyspaceUid, node);
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

/** Throws PERMISSION_DENIED. A backup takes all the data, and is the work of an operator. */
function requireBackup(subject: Subject, keyspaceUid: string, { cluster }: Datanode): void {
  const name = cluster.keyspaceOf(keyspaceUid)?.name;
  requireRight(subject, 'read', name);
  requireRight(subject, 'operate', name);
}
