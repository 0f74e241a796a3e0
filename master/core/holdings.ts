// What each node holds, verified, as it reported itself. Pure.
//
// Invariants: a report belongs to one incarnation, and another incarnation begins from nothing; a
// partial list is only taken on top of the revision that it was asked for.

import type { ListHoldingsResponse } from '../../proto/gen/stele/v1/datanode.ts';

export interface NodeHoldings {
  readonly incarnation: string;
  /** 0: nothing listed yet, or nothing there. */
  readonly revision: number;
  /** Segment ids by keyspace uid. */
  readonly segments: ReadonlyMap<string, ReadonlySet<string>>;
  /** `<uid>/<version>` of the manifests it was given. */
  readonly manifests: ReadonlySet<string>;
}

export type Holdings = ReadonlyMap<string, NodeHoldings>;

export function noHoldings(incarnation: string): NodeHoldings {
  return { incarnation, revision: 0, segments: new Map(), manifests: new Set() };
}

/**
 * The holdings after a list that was asked for since revision `since`. `nameOf` says an id as it is to be
 * kept: the same text.
 */
export function applyHoldings(
  before: NodeHoldings,
  list: ListHoldingsResponse,
  since: number,
  nameOf: (uid: string, segmentId: string) => string = (_uid, segmentId) => segmentId,
): NodeHoldings {
  // Changes to something else than what is known: the next list tells.
  if (!list.full && since !== before.revision) return before;
  const segments = new Map(list.full ? [] : before.segments);
  // Sets of keyspaces in which nothing changes are taken over: coverage.ts knows them again.
  const changed = new Map<string, Set<string>>();
  const idsOf = (uid: string): Set<string> => {
    let ids = changed.get(uid);
    if (ids === undefined) changed.set(uid, (ids = new Set(segments.get(uid))));
    return ids;
  };
  for (const { keyspaceUid, segmentId } of list.removed) idsOf(keyspaceUid).delete(segmentId);
  for (const { keyspaceUid, segmentId } of list.added) {
    idsOf(keyspaceUid).add(nameOf(keyspaceUid, segmentId));
  }
  for (const [uid, ids] of changed) {
    if (ids.size === 0) segments.delete(uid);
    else segments.set(uid, ids);
  }
  return { ...before, revision: list.revision, segments };
}

/** Segments that a node confirmed outside of a list (PutManifest's answer). */
export function confirmHeld(
  before: NodeHoldings,
  uid: string,
  ids: readonly string[],
): NodeHoldings {
  const known = before.segments.get(uid);
  if (ids.every((id) => known?.has(id) === true)) return before;
  const segments = new Map(before.segments);
  segments.set(uid, new Set([...(known ?? []), ...ids]));
  return { ...before, segments };
}

/** Segments that a node has dropped by an order, ahead of its next list. */
export function withoutSegments(
  before: NodeHoldings,
  dropped: readonly { readonly uid: string; readonly segmentId: string }[],
): NodeHoldings {
  const removed = dropped.map(({ segmentId, uid }) => ({ keyspaceUid: uid, segmentId }));
  const list = { revision: before.revision, full: false, added: [], removed };
  return applyHoldings(before, list, before.revision);
}

export function withManifests(before: NodeHoldings, refs: readonly string[]): NodeHoldings {
  if (refs.every((ref) => before.manifests.has(ref))) return before;
  return { ...before, manifests: new Set([...before.manifests, ...refs]) };
}

export function withoutManifests(before: NodeHoldings, refs: readonly string[]): NodeHoldings {
  if (refs.length === 0) return before;
  const manifests = new Set(before.manifests);
  for (const ref of refs) manifests.delete(ref);
  // With their revisions.
  const gone = new Set(refs);
  for (const name of manifests) if (gone.has(name.replace(/#.*$/, ''))) manifests.delete(name);
  return { ...before, manifests };
}

export function holds(node: NodeHoldings | undefined, uid: string, segmentId: string): boolean {
  return node?.segments.get(uid)?.has(segmentId) === true;
}
