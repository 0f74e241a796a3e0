// Owners are distinct nodes, in as many zones and on as many hosts as there are: all of them, and
// the first few, which keyspaces with fewer copies have.

import { eligibleNodes } from '../../../master/core/world/world.ts';
import type { World } from '../../../master/core/world/world.ts';

/** What is wrong with the placement; empty: nothing. */
export function misplaced(world: World): string {
  const placeOf = (id: string): { zone: string; host: string } => {
    const node = world.nodes.get(id);
    return { zone: node?.zone ?? '', host: node?.address.host ?? '' };
  };
  const eligible = eligibleNodes(world).map(({ id }) => placeOf(id));
  const zones = new Set(eligible.map(({ zone }) => zone)).size;
  const hosts = new Set(eligible.map(({ host }) => host)).size;
  for (const owners of world.owners) {
    if (new Set(owners).size !== owners.length) return `owners ${owners.join()} are not distinct`;
    for (let count = 2; count <= owners.length; count++) {
      const places = owners.slice(0, count).map(placeOf);
      if (new Set(places.map(({ zone }) => zone)).size < Math.min(zones, count))
        return `the first ${count} of ${owners.join()} are in fewer zones than there are`;
      if (new Set(places.map(({ host }) => host)).size < Math.min(hosts, count))
        return `the first ${count} of ${owners.join()} are on fewer hosts than there are`;
    }
  }
  return '';
}
