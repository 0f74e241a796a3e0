// The ring as cells: who should have each copy of each shard, and whether it does.
//
//   rank 0    the first owner of shard 0, 1, 2, ...
//   rank 1    the second one ...

import type { Node, Shard } from '../api/shapes.ts';

/** `held`: verified there; `copying`: its owner does not have it yet; `lost`: its owner is down. */
type CellState = 'held' | 'copying' | 'lost';

interface Cell {
  readonly node: string;
  readonly state: CellState;
}

/** By rank, then by shard; undefined where a shard has fewer owners. */
export type Cells = readonly (readonly (Cell | undefined)[])[];

/** More copies than that are not drawn. */
const RANKS_MAX = 5;

export function cellsOf(shards: readonly Shard[], nodes: readonly Node[]): Cells {
  const down = new Set(nodes.filter(({ state }) => state === 'DOWN').map(({ id }) => id));
  const ranks = Math.min(RANKS_MAX, Math.max(1, ...shards.map((shard) => ownersOf(shard).length)));
  return Array.from({ length: ranks }, (_, rank) =>
    shards.map((shard) => cellOf(shard, rank, down)),
  );
}

/** Without a leader nobody knows the owners; those who hold it are then shown. */
export function ownersOf(shard: Shard): readonly string[] {
  return shard.owners ?? shard.holders;
}

function cellOf(shard: Shard, rank: number, down: ReadonlySet<string>): Cell | undefined {
  const node = ownersOf(shard)[rank];
  if (node === undefined) return undefined;
  if (shard.holders.includes(node)) return { node, state: 'held' };
  return { node, state: down.has(node) ? 'lost' : 'copying' };
}

/** Shards of which some cell is another one than before. */
export function changedShards(before: Cells, now: Cells): number[] {
  const changed = new Set<number>();
  for (const [rank, row] of now.entries()) {
    for (const [shard, cell] of row.entries()) {
      const old = before[rank]?.[shard];
      if (old?.node !== cell?.node || old?.state !== cell?.state) changed.add(shard);
    }
  }
  return [...changed].sort((one, other) => one - other);
}

/** A shard in one sentence, for tips and screen readers. */
export function shardSentence(shard: Shard): string {
  const [first, last] = shard.slots;
  const owners = ownersOf(shard);
  const missing = owners.filter((node) => !shard.holders.includes(node));
  const others = shard.holders.filter((node) => !owners.includes(node));
  const parts = [`Shard ${shard.shard}, slots ${first} to ${last}`];
  parts.push(
    shard.holders.length === 0 ? 'no copy can be read' : `held by ${shard.holders.join(', ')}`,
  );
  if (missing.length > 0) parts.push(`missing on ${missing.join(', ')}`);
  if (others.length > 0) parts.push(`for a while also on ${others.join(', ')}`);
  return `${parts.join('; ')}.`;
}
