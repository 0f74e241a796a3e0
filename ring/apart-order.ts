// The order of a shard's owners: the first few are as far apart as all of them are.
//
// What has fewer copies than the ring places is on the first owners of each shard. So behind the first owner
// comes one of another zone, as long as there is any, then one on another host, then the others, each of
// them in the order found. Nobody becomes an owner by this, or ceases to be one. Where the first few are of as
// many zones and hosts as they can be, none of the others comes before them.

/** What fails together with a node. */
interface Place {
  readonly zone: number;
  readonly host: number;
}

/** Orders `owners` in place, the first of them aside. `places`: by owner. */
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

/** Of a place from the first `count` owners: 2 for a new zone, 1 for a new host in a known one, 0 for neither. */
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
