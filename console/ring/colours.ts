// A colour for each datanode: those of one zone are neighbours on the colour circle.

import type { Node } from '../api/shapes.ts';

/** Lightness and chroma (OKLCH) alternate, so that neighbours differ also where hues are close. */
const TONES = [
  [0.68, 0.14],
  [0.56, 0.12],
  [0.8, 0.11],
] as const;
/** Part of the circle that separates two zones. */
const ZONE_GAP = 0.25;

export interface Zone {
  readonly name: string;
  readonly nodes: readonly Node[];
}

/** Zones by name, and in each the nodes by id. */
export function zonesOf(nodes: readonly Node[]): Zone[] {
  const byZone = new Map<string, Node[]>();
  for (const node of nodes) {
    const all = byZone.get(node.zone);
    if (all === undefined) byZone.set(node.zone, [node]);
    else all.push(node);
  }
  const inOrder = new Intl.Collator('en', { numeric: true });
  return [...byZone]
    .sort(([one], [other]) => inOrder.compare(one, other))
    .map(([name, all]) => ({ name, nodes: all.sort((a, b) => inOrder.compare(a.id, b.id)) }));
}

/** CSS colours by node. */
export function coloursOf(zones: readonly Zone[]): ReadonlyMap<string, string> {
  const colours = new Map<string, string>();
  const share = 360 / Math.max(1, zones.length);
  const used = zones.length > 1 ? share * (1 - ZONE_GAP) : share;
  for (const [zone, { nodes }] of zones.entries()) {
    for (const [at, { id }] of nodes.entries()) {
      const hue = Math.round(230 + zone * share + (at * used) / nodes.length) % 360;
      const [lightness, chroma] = TONES[at % TONES.length] ?? TONES[0];
      colours.set(id, `oklch(${lightness} ${chroma} ${hue})`);
    }
  }
  return colours;
}
