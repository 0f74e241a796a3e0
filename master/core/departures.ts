// Since when readers are no longer told of a version. Pure.
//
// A version that leaves (or a whole keyspace) is out of the view from one moment to the next, but a
// batch that has begun reads on in it, and a client may have an older view. So its files stay until
//
//   - every node that serves has the view without it, or a later one, and
//   - the retire delay is over, which is longer than a read may take.
//
// Invariant: a name that leaves and is not yet noted here counts as lingering.

/** When, and with which view of this epoch, a name left. Monotonic time. */
interface Departure {
  readonly atMs: number;
  readonly revision: number;
}

/** By name: a version's ref (`<uid>/<number>`), or the uid of a keyspace. */
export type Departures = ReadonlyMap<string, Departure>;

/** After a view was published: names that are new here left with it, those that are gone are forgotten. */
export function noteDepartures(
  before: Departures,
  leaving: readonly string[],
  atMs: number,
  revision: number,
): Departures {
  if (leaving.length === before.size && leaving.every((name) => before.has(name))) return before;
  return new Map(leaving.map((name) => [name, before.get(name) ?? { atMs, revision }]));
}

/** Those of `leaving` that somebody may still be reading. */
export function lingeringOf(
  departures: Departures,
  leaving: readonly string[],
  nowMs: number,
  delayMs: number,
  isSeenByAll: (revision: number) => boolean,
): ReadonlySet<string> {
  return new Set(
    leaving.filter((name) => {
      const departure = departures.get(name);
      if (departure === undefined || nowMs - departure.atMs < delayMs) return true;
      return !isSeenByAll(departure.revision);
    }),
  );
}
