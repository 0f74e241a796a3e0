// The verified holdings of each node, as reported by itself. Pure.
//
// Ids are stored as a node reports them: a segment that no manifest of the catalog names is
// garbage, whatever its name.
//
// Invariants: a report belongs to one incarnation, and another incarnation starts from nothing; a
// partial list is applied only to the revision from which it was requested.

import type { KeyspaceUid } from '../../../base/ids.ts';
import type { SegmentId } from '../../../base/segment-name.ts';
import type { ListHoldingsResponse } from '../../../proto/gen/stele/v1/datanode.ts';
import type { VersionId } from '../../catalog/records.ts';

export interface NodeHoldings {
  readonly incarnation: string;
  /** 0: nothing listed yet, or nothing there. */
  readonly revision: number;
  /** Segment ids by keyspace uid. */
  readonly segments: ReadonlyMap<KeyspaceUid, ReadonlySet<SegmentId>>;
  /** The manifests it was given: the newest revision for each version. */
  readonly manifests: ReadonlyMap<VersionId, number>;
}

export type HoldingsByNode = ReadonlyMap<string, NodeHoldings>;

export function noHoldings(incarnation: string): NodeHoldings {
  return { incarnation, revision: 0, segments: new Map(), manifests: new Map() };
}

/**
 * The holdings after a list that was requested from revision `since`. `nameOf` interns an id: it
 * returns an equal string.
 */
export function applyHoldings(
  before: NodeHoldings,
  list: ListHoldingsResponse,
  since: number,
  nameOf: (uid: string, segmentId: string) => SegmentId = (_uid, segmentId) =>
    segmentId as SegmentId,
): NodeHoldings {
  // These are changes to another revision than the known one; the next list will match.
  if (!list.full && since !== before.revision) return before;
  const segments = new Map(list.full ? [] : before.segments);
  // Sets of unchanged keyspaces are reused, so that coverage.ts recognises them.
  const changed = new Map<KeyspaceUid, Set<SegmentId>>();
  const idsOf = (uid: KeyspaceUid): Set<SegmentId> => {
    let ids = changed.get(uid);
    if (ids === undefined) changed.set(uid, (ids = new Set(segments.get(uid))));
    return ids;
  };
  for (const { keyspaceUid, segmentId } of list.removed) {
    idsOf(keyspaceUid as KeyspaceUid).delete(segmentId as SegmentId);
  }
  for (const { keyspaceUid, segmentId } of list.added) {
    idsOf(keyspaceUid as KeyspaceUid).add(nameOf(keyspaceUid, segmentId));
  }
  for (const [uid, ids] of changed) {
    if (ids.size === 0) segments.delete(uid);
    else segments.set(uid, ids);
  }
  return { ...before, revision: list.revision, segments };
}

/**
 * Adds segments that a node confirmed outside a list (in the answer to PutManifest) at `revision`.
 * A late answer, older than the last list, adds nothing: what was removed in between would stay
 * here for good, because no later list names it.
 */
export function confirmHeld(
  before: NodeHoldings,
  keyspaceUid: string,
  segmentIds: readonly string[],
  revision = before.revision,
): NodeHoldings {
  if (revision < before.revision) return before;
  const uid = keyspaceUid as KeyspaceUid;
  const ids = segmentIds as readonly SegmentId[];
  const known = before.segments.get(uid);
  if (ids.every((id) => known?.has(id) === true)) return before;
  const segments = new Map(before.segments);
  segments.set(uid, new Set([...(known ?? []), ...ids]));
  return { ...before, segments };
}

/** Removes segments that a node has dropped by an order, before its next list. */
export function withoutSegments(
  before: NodeHoldings,
  dropped: readonly { readonly uid: KeyspaceUid; readonly segmentId: SegmentId }[],
): NodeHoldings {
  const removed = dropped.map(({ segmentId, uid }) => ({ keyspaceUid: uid, segmentId }));
  const list = { revision: before.revision, full: false, added: [], removed };
  return applyHoldings(before, list, before.revision);
}

export function withManifests(
  before: NodeHoldings,
  ids: readonly VersionId[],
  revision = 0,
): NodeHoldings {
  const changed = ids.filter((id) => (before.manifests.get(id) ?? -1) < revision);
  if (changed.length === 0) return before;
  const manifests = new Map(before.manifests);
  for (const id of changed) manifests.set(id, revision);
  return { ...before, manifests };
}

export function withoutManifests(before: NodeHoldings, ids: readonly VersionId[]): NodeHoldings {
  if (ids.length === 0) return before;
  const manifests = new Map(before.manifests);
  for (const id of ids) manifests.delete(id);
  return { ...before, manifests };
}

/** Whether the node was given this revision of the version's manifest or a later one. */
export function knowsRevision(
  node: NodeHoldings | undefined,
  id: VersionId,
  revision: number,
): boolean {
  return (node?.manifests.get(id) ?? -1) >= revision;
}

export function holds(
  node: NodeHoldings | undefined,
  uid: KeyspaceUid,
  segmentId: SegmentId,
): boolean {
  return node?.segments.get(uid)?.has(segmentId) === true;
}
