// Orders the owners of a shard so that every prefix of the list is spread over as many zones and
// hosts as the whole list allows.
//
// A keyspace with fewer copies than the ring places lives on the first owners of each shard. The
// owner after the first is therefore in another zone where one exists, else on another host, else
// the next one found. The set of owners does not change. Owners keep their order where the prefix
// is already spread as widely as possible.

/** The failure domains of a node, as small integers. */
interface Place {
  readonly zone: number;
  readonly host: number;
}

/** Reorders `owners` in place; the first owner stays first. `places` is indexed by owner. */
export function orderApart(owners: number[], places: readonly Place[]): void {
  for (let at = 1; at < owners.length; at++) {
    let best = at;
    let bestApartness = -1;
    for (let candidate = at; candidate < owners.length; candidate++) {
      const apartness = apartnessOf(owners, at, places[owners[candidate] ?? -1], places);
      if (apartness <= bestApartness) continue;
      best = candidate;
      bestApartness = apartness;
    }
    owners.splice(at, 0, ...owners.splice(best, 1));
  }
}

/**
 * Distance of `place` from the first `count` owners: 2 for a new zone, 1 for a new host in a known
 * zone, else 0.
 */
function apartnessOf(
  owners: readonly number[],
  count: number,
  place: Place | undefined,
  places: readonly Place[],
): number {
  let isHostNew = true;
  let isZoneNew = true;
  for (let at = 0; at < count; at++) {
    const other = places[owners[at] ?? -1];
    isZoneNew &&= other?.zone !== place?.zone;
    isHostNew &&= other?.host !== place?.host;
  }
  if (isZoneNew) return 2;
  return isHostNew ? 1 : 0;
}
