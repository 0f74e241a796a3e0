// Which datanodes may still answer by a view that has been replaced: cluster clients ask them directly. Pure.
//
//   goes by the view of another start of a master          late at once
//   lacks a view of this start that has been out for 3 s   late
//
// After a restore there may be others, which the backup does not know: they register within seconds, and until
// then serve what was lost.
//
// Invariant: a node that takes every view within that time is never late, however often views change.

import { isServing } from './membership.ts';
import type { Membership, NodeStatus } from './membership.ts';

/** A few heartbeats: what a node that is well needs, on a machine that is busy. */
const LATE_MS = 3_000;
/** A datanode that hears no master registers after 4 s at most (datanode/registration.ts). */
const STRANGERS_MS = 6_000;

/** By node: a view of this epoch that it lacks, and since when. Monotonic time. */
export type Behind = ReadonlyMap<string, { readonly revision: number; readonly sinceMs: number }>;

/** By node: the newest view of this epoch that a run of it is known to have. */
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

/** After the view of `revision` was published. */
export function noteBehind(
  before: Behind,
  state: Applied,
  revision: number,
  nowMs: number,
): Behind {
  const next = new Map<string, { readonly revision: number; readonly sinceMs: number }>();
  let isSame = true;
  // Those that are away as well: one that comes back is behind since long.
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

/** Serving nodes that may answer by a view that has been replaced. */
export function lateNodes(
  state: Applied & { readonly behind: Behind },
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

/** Until when nodes that an older copy of the catalog does not know may register, from `nowMs` on. */
export function strangersUntil(nowMs: number): number {
  return nowMs + STRANGERS_MS;
}

/** 0 where its present run has none. */
function appliedRevision({ applied }: Applied, { id, incarnation }: NodeStatus): number {
  const has = applied.get(id);
  return has?.incarnation === incarnation ? has.revision : 0;
}

/** Whether the view that the node says it goes by is not of this start of a master; with none it goes by none. */
function goesByOther({ report }: NodeStatus, { epoch, term }: LeaderName): boolean {
  if (report === undefined || report.viewEpoch === 0) return false;
  return report.viewEpoch !== epoch || (report.viewTerm ?? term) !== term;
}
