// How far datanodes have got in moving keyspaces to their tiers. Pure.
//
// A datanode reports what it has to move for the view that it has. Until it reports a view that has
// the tier, what it has to move is unknown.
//
// Invariant: a change of tier is not called complete before every serving datanode has reported,
// with a view that has the change, that nothing is left.

import type { KeyspaceUid } from '../../../base/ids.ts';
import type { TierProgress } from '../../../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { tierWord } from '../../../proto/view-words.ts';
import type { KeyspaceRecord } from '../../catalog/records.ts';
import { isServing } from './membership.ts';
import type { Membership, NodeStatus } from './membership.ts';

/** By uid: the revision of the view of this run that changed the tier last. */
export type TierChanges = ReadonlyMap<KeyspaceUid, number>;

/** Call with each new view. */
export function noteTierChanges(
  known: TierChanges,
  before: ClusterView,
  view: ClusterView,
): TierChanges {
  if (before === view) return known;
  const tiers = new Map(
    before.keyspaces.map((keyspace) => [keyspace.uid, tierWord(keyspace.tier)]),
  );
  const changes = new Map<KeyspaceUid, number>();
  let isSame = true;
  for (const keyspace of view.keyspaces) {
    const uid = keyspace.uid as KeyspaceUid;
    const tier = tierWord(keyspace.tier);
    const isSameTier = (tiers.get(uid) ?? 'memory') === tier;
    const revision = isSameTier ? known.get(uid) : view.revision;
    if (revision === undefined) continue;
    isSame &&= revision === known.get(uid);
    changes.set(uid, revision);
  }
  return isSame && changes.size === known.size ? known : changes;
}

/** What serving nodes have still to move; undefined if nothing. */
export function tierProgress(
  { nodes, tierChanges, view }: TierState,
  { desired, uid }: KeyspaceRecord,
): TierProgress | undefined {
  // A change just before this master's start may not have reached every node. A keyspace whose tier
  // was never set has had none.
  const since = tierChanges.get(uid) ?? (desired.tier === undefined ? 0 : 1);
  const left = { segmentsLeft: 0, bytesLeft: 0, nodesUnknown: 0, failure: '' };
  for (const node of nodes.values()) {
    if (!isServing(node)) continue;
    if (since > 0 && !hasReported(node, view, since)) {
      left.nodesUnknown++;
      continue;
    }
    const move = node.report?.tierMoves.find(({ keyspaceUid }) => keyspaceUid === uid);
    if (move === undefined) continue;
    left.segmentsLeft += move.segmentsLeft;
    left.bytesLeft += move.bytesLeft;
    if (move.failure !== '') left.failure = `datanode ${node.id}: ${move.failure}`;
  }
  const isDone = left.segmentsLeft === 0 && left.nodesUnknown === 0 && left.failure === '';
  return isDone ? undefined : left;
}

interface TierState {
  readonly nodes: Membership;
  readonly tierChanges: TierChanges;
  readonly view: ClusterView;
}

/** Whether the last report was made with a view of this run, of `revision` or later. */
function hasReported(
  { report }: NodeStatus,
  { epoch, term }: ClusterView,
  revision: number,
): boolean {
  if (report === undefined || report.viewEpoch !== epoch) return false;
  return (report.viewTerm ?? term) === term && report.viewRevision >= revision;
}
