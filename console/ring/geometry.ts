// Arcs of the ring. Shard 0 begins at the top; the ring goes clockwise. The centre is 0, 0.

import type { Cells } from './cells.ts';

export const RADIUS = 100;
const HEALTH_WIDTH = 4;
const GAP = 2;
const BAND_WIDTH_MAX = 16;
const HOLE = 42;
/** With more shards than that, neighbours of the same colour are drawn as one arc. */
const SEPARATE_MAX = 256;

export interface Band {
  readonly inner: number;
  readonly outer: number;
}

export const HEALTH_BAND: Band = { inner: RADIUS - HEALTH_WIDTH, outer: RADIUS };

/** Where a rank is drawn, of `ranks`. */
export function bandOf(rank: number, ranks: number): Band {
  const space = HEALTH_BAND.inner - GAP - HOLE;
  const width = Math.min(BAND_WIDTH_MAX, space / ranks - GAP);
  const outer = HEALTH_BAND.inner - GAP - rank * (width + GAP);
  return { outer, inner: outer - width };
}

/** The band of all ranks together. */
export function bandOfAll(ranks: number): Band {
  return { outer: RADIUS, inner: bandOf(ranks - 1, ranks).inner };
}

/** The path of shards `from` to `to` (exclusive), of `total`. */
export function arc(from: number, to: number, total: number, { inner, outer }: Band): string {
  const angle = (at: number): number => (2 * Math.PI * at) / total - Math.PI / 2;
  const point = (radius: number, at: number): string =>
    `${round(radius * Math.cos(angle(at)))} ${round(radius * Math.sin(angle(at)))}`;
  // An arc of a full circle would have no length.
  if (to - from >= total) {
    const middle = from + total / 2;
    return (
      arc(from, middle, total, { inner, outer }) +
      arc(middle, from + total, total, { inner, outer })
    );
  }
  const large = to - from > total / 2 ? 1 : 0;
  return `M${point(outer, from)}A${outer} ${outer} 0 ${large} 1 ${point(outer, to)}L${point(inner, to)}A${inner} ${inner} 0 ${large} 0 ${point(inner, from)}Z`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Which shard lies at a point; undefined in the middle and outside. */
export function shardAt(
  x: number,
  y: number,
  total: number,
  { inner, outer }: Band,
): number | undefined {
  const radius = Math.hypot(x, y);
  if (radius < inner || radius > outer) return undefined;
  const turn = (Math.atan2(y, x) + Math.PI / 2) / (2 * Math.PI);
  return Math.floor((turn - Math.floor(turn)) * total) % total;
}

/** Runs of equal names: one path for each name, whatever the number of shards. */
export function pathsByName(
  names: readonly (string | undefined)[],
  band: Band,
): ReadonlyMap<string, string> {
  const total = names.length;
  const paths = new Map<string, string>();
  const longest = total > SEPARATE_MAX ? total : 1;
  for (let from = 0; from < total;) {
    const name = names[from];
    let to = from + 1;
    while (to < total && to - from < longest && names[to] === name) to++;
    if (name !== undefined) paths.set(name, (paths.get(name) ?? '') + arc(from, to, total, band));
    from = to;
  }
  return paths;
}

/** What is drawn of one node in one state. */
export interface NodePath {
  readonly node: string;
  readonly state: string;
  readonly path: string;
}

/** At most one path for each rank, node and state. */
export function cellPaths(cells: Cells): NodePath[] {
  return cells.flatMap((row, rank) => {
    const names = row.map((cell) =>
      cell === undefined ? undefined : `${cell.state} ${cell.node}`,
    );
    return [...pathsByName(names, bandOf(rank, cells.length))].map(([name, path]) => {
      const space = name.indexOf(' ');
      return { state: name.slice(0, space), node: name.slice(space + 1), path };
    });
  });
}
