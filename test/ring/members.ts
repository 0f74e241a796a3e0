// Memberships for the placement tests.

import { placeShards } from '../../ring/placement.ts';
import type { PlacementNode } from '../../ring/placement.ts';

/** `count` nodes on separate hosts in one zone; another `round` gives other names. */
export function apartNodes(count: number, round: number): PlacementNode[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `r${round}-node-${index}`,
    host: `host-${index}`,
    zone: 'zone',
  }));
}

export function placement(
  nodes: readonly PlacementNode[],
  shardCount: number,
  replication: number,
): string[][] {
  return placeShards({ nodes, shardCount, replication });
}

/** How often each id occurs. */
export function counts(ids: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const id of ids) found.set(id, (found.get(id) ?? 0) + 1);
  return found;
}

export function largest(ids: readonly string[]): number {
  return Math.max(...counts(ids).values());
}
