// Which datanodes may still serve by a replaced view; cluster clients ask them directly. Pure.
//
//   uses the view of another start of a master             late at once
//   lacks a view of this start that has been out for 3 s   late
//
// After a restore there may be datanodes that the backup does not know. They register within
// seconds, and until then serve lost versions.
//
// Invariant: a node that takes every view within that time is never late, however often views
// change.

import { isServing } from './membership.ts';
import type { Membership, NodeStatus } from './membership.ts';

/** A few heartbeats: enough for a healthy node on a busy machine. */
const LATE_MS = 3_000;
/** A datanode that hears from no master registers within 4 s (datanode/registration.ts). */
const UNKNOWN_NODES_MS = 6_000;

/** By node: a view of this epoch that it lacks, and since when (monotonic). */
export type LaggingNodes = ReadonlyMap<
  string,
  { readonly revision: number; readonly sinceMs: number }
>;

/** By node: the newest view of this epoch that an incarnation of it is known to have. */
interface Applied {
  readonly applied: ReadonlyMap<
    string,
    { readonly incarnation: string; readonly revision: number }
  >;
  readonly nodes: Membership;
}

interface LeaderName {
  readonly epoch: number;
  readonly term?: string | undefined;
}

const NOBODY: ReadonlySet<string> = new Set();

/** Call after the view of `revision` was published. */
export function noteLagging(
  before: LaggingNodes,
  state: Applied,
  revision: number,
  nowMs: number,
): LaggingNodes {
  const next = new Map<string, { readonly revision: number; readonly sinceMs: number }>();
  let isSame = true;
  // Includes nodes that are away: the lag of one that comes back counts from the publication.
  for (const node of state.nodes.values()) {
    const has = appliedRevision(state, node);
    if (has >= revision) continue;
    const known = before.get(node.id);
    const entry =
      known !== undefined && has < known.revision ? known : { revision, sinceMs: nowMs };
    isSame &&= entry === known;
    next.set(node.id, entry);
  }
  return isSame && next.size === before.size ? before : next;
}

/** Serving nodes that may still use a replaced view. */
export function lateNodes(
  state: Applied & { readonly behind: LaggingNodes },
  leader: LeaderName,
  nowMs: number,
): ReadonlySet<string> {
  let late: Set<string> | undefined;
  for (const node of state.nodes.values()) {
    if (!isServing(node)) continue;
    const behind = state.behind.get(node.id);
    const has = appliedRevision(state, node);
    const isLong =
      behind !== undefined && has < behind.revision && nowMs - behind.sinceMs >= LATE_MS;
    const isOfOther = has === 0 && goesByOther(node, leader);
    if (isLong || isOfOther) late = (late ?? new Set()).add(node.id);
  }
  return late ?? NOBODY;
}

/**
 * Until when nodes that an older copy of the catalog does not know may register, counted from
 * `nowMs`.
 */
export function unknownNodesUntil(nowMs: number): number {
  return nowMs + UNKNOWN_NODES_MS;
}

/** 0 if its present incarnation has none. */
function appliedRevision({ applied }: Applied, { id, incarnation }: NodeStatus): number {
  const has = applied.get(id);
  return has?.incarnation === incarnation ? has.revision : 0;
}

/**
 * Whether the node reports a view of another start of a master. A node without a view uses none.
 */
function goesByOther({ report }: NodeStatus, { epoch, term }: LeaderName): boolean {
  if (report === undefined || report.viewEpoch === 0) return false;
  return report.viewEpoch !== epoch || (report.viewTerm ?? term) !== term;
}
