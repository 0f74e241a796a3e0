// Tracks when versions and keyspaces left the view, and which of them may still be read. Pure.
//
// A leaving version (or a whole keyspace) is gone from one view to the next, but a batch in
// progress still reads it, and a client may have an older view. So its files stay until
//
//   - every node that serves has the view without it, or a later one, and
//   - the retire delay, which is longer than any read, is over.
//
// Invariant: a leaving name that is not yet recorded here counts as still readable.

import type { LeavingName } from './world.ts';

/** The time (monotonic) and the view of this epoch with which a name left. */
interface Departure {
  readonly atMs: number;
  readonly revision: number;
}

export type Departures = ReadonlyMap<LeavingName, Departure>;

/**
 * Call after a view was published: records names that left with it, and forgets those that are
 * gone.
 */
export function noteDepartures(
  before: Departures,
  leaving: readonly LeavingName[],
  atMs: number,
  revision: number,
): Departures {
  if (leaving.length === before.size && leaving.every((name) => before.has(name))) return before;
  return new Map(leaving.map((name) => [name, before.get(name) ?? { atMs, revision }]));
}

/** Those of `leaving` that may still be read. */
export function stillReadableOf(
  departures: Departures,
  leaving: readonly LeavingName[],
  nowMs: number,
  delayMs: number,
  isSeenByAll: (revision: number) => boolean,
): ReadonlySet<LeavingName> {
  return new Set(
    leaving.filter((name) => {
      const departure = departures.get(name);
      if (departure === undefined || nowMs - departure.atMs < delayMs) return true;
      return !isSeenByAll(departure.revision);
    }),
  );
}
