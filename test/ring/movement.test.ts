import { describe, expect, it } from 'vitest';
import { movedReplicas, placeShards } from '../../ring/placement.ts';
import { apartNodes, counts, placement } from './members.ts';

// Fixed memberships: how much moves varies with the names, so a bound on a single join is a
// statement about these names, and the mean over many says how good the ring is.
const ROUNDS = 10;

interface Case {
  readonly nodes: number;
  readonly shards: number;
  readonly replication: number;
}

/**
 * Moved over ideal for joins to `nodes` nodes, one value a membership; ideal is the newcomer's fair
 * share.
 */
function joins({ nodes, shards, replication }: Case): number[] {
  return Array.from({ length: ROUNDS }, (_, round) => {
    const after = apartNodes(nodes + 1, round);
    const before = after.toSpliced(round % nodes, 1);
    const moved = movedReplicas(
      placement(before, shards, replication),
      placement(after, shards, replication),
    );
    return moved / ((shards * replication) / (nodes + 1));
  });
}

/** Moved over ideal for one node that leaves `nodes` nodes. */
function leaves({ nodes, shards, replication }: Case): number[] {
  return Array.from({ length: ROUNDS }, (_, round) => {
    const before = apartNodes(nodes, round);
    const after = before.toSpliced(round % nodes, 1);
    const moved = movedReplicas(
      placement(before, shards, replication),
      placement(after, shards, replication),
    );
    return moved / ((shards * replication) / nodes);
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('movement', () => {
  const roomy: Case[] = [
    { nodes: 3, shards: 128, replication: 2 },
    { nodes: 5, shards: 128, replication: 2 },
    { nodes: 5, shards: 128, replication: 3 },
    { nodes: 10, shards: 1024, replication: 2 },
    { nodes: 20, shards: 1024, replication: 2 },
    { nodes: 20, shards: 1024, replication: 3 },
  ];
  it.each(roomy)('stays within 1.25 x ideal for each single join and leave: %o', (members) => {
    expect(Math.max(...joins(members))).toBeLessThanOrEqual(1.25);
    expect(Math.max(...leaves(members))).toBeLessThanOrEqual(1.25);
  });

  const tight: Case[] = [
    { nodes: 10, shards: 128, replication: 2 },
    { nodes: 10, shards: 128, replication: 3 },
    { nodes: 50, shards: 1024, replication: 2 },
    { nodes: 50, shards: 1024, replication: 3 },
  ];
  it.each(tight)('stays within 1.25 x ideal in the mean with few shards a node: %o', (members) => {
    expect(mean(joins(members))).toBeLessThanOrEqual(1.15);
    expect(mean(leaves(members))).toBeLessThanOrEqual(1.15);
  });

  it('stays within 1.25 x ideal in the mean with an eighth of the virtual nodes', () => {
    const few = (nodes: ReturnType<typeof apartNodes>): string[][] =>
      placeShards({ nodes, shardCount: 1024, replication: 2, virtualNodes: 128 });
    const moves = Array.from({ length: ROUNDS }, (_, round) => {
      const after = apartNodes(11, round);
      const before = after.toSpliced(round % 10, 1);
      return movedReplicas(few(before), few(after)) / (2048 / 11);
    });
    expect(mean(moves)).toBeLessThanOrEqual(1.1);
    expect(Math.max(...moves)).toBeLessThanOrEqual(1.25);
  });

  it('moves a returning node back to exactly what it had', () => {
    const nodes = apartNodes(7, 1);
    const again = [...nodes.slice(1), ...nodes.slice(0, 1)];
    expect(movedReplicas(placement(nodes, 128, 2), placement(again, 128, 2))).toBe(0);
  });

  it('moves a join within its zone when zones are as many as replicas', () => {
    const nodes = apartNodes(9, 1).map((node, at) => ({ ...node, zone: `zone-${at % 3}` }));
    const before = placement(nodes, 1024, 3);
    const newcomer = { id: 'newcomer', host: 'host-new', zone: 'zone-0' };
    const moved = movedReplicas(before, placement([...nodes, newcomer], 1024, 3));
    expect(moved).toBeLessThanOrEqual((1.25 * 1024) / 4);
    expect(moved).toBeGreaterThan((0.8 * 1024) / 4);
  });
});

describe('more copies for one keyspace, and another weight', () => {
  const wide = (nodes: ReturnType<typeof apartNodes>, shards: number): string[][] =>
    placeShards({ nodes, shardCount: shards, replication: 2, replicationMax: 3 });

  it('move nothing of what wants no more copies, but for a few chains at the end', () => {
    for (let round = 0; round < ROUNDS; round++) {
      const nodes = apartNodes(5 + round, round);
      const plain = placement(nodes, 256, 2);
      const extended = wide(nodes, 256);
      expect(extended.every((owners) => new Set(owners).size === 3)).toBe(true);
      const firstTwo = extended.map((owners) => owners.slice(0, 2));
      expect(movedReplicas(plain, firstTwo)).toBeLessThanOrEqual(256 * 2 * 0.02);
      const loads = [...counts(extended.flat()).values()];
      expect(Math.max(...loads)).toBeLessThanOrEqual(Math.ceil((1.2 * 256 * 3) / nodes.length));
    }
  });

  it("of a datanode that joins are at most 1.25 x its share, those beyond the cluster's own included", () => {
    for (let round = 0; round < ROUNDS; round++) {
      const after = apartNodes(6 + (round % 5), round);
      const before = after.toSpliced(round % after.length, 1);
      const [joined] = after.slice(round % after.length);
      const owners = wide(after, 512);
      const ideal = (512 * 3) / after.length;
      const taken = owners.filter((ids) => ids.includes(joined?.id ?? '')).length;
      expect(taken).toBeLessThanOrEqual(1.25 * ideal);
      expect(taken).toBeGreaterThan(0.75 * ideal);
      expect(movedReplicas(wide(before, 512), owners)).toBeLessThanOrEqual(1.5 * ideal);
    }
  });

  it('of a datanode move about the difference of its shares', () => {
    for (let round = 0; round < ROUNDS; round++) {
      const light = apartNodes(8, round);
      const heavy = light.map((node, index) => (index === 3 ? { ...node, weight: 2 } : node));
      const replicas = 512 * 2;
      const moved = movedReplicas(placement(light, 512, 2), placement(heavy, 512, 2));
      const difference = (2 * replicas) / 9 - replicas / 8;
      expect(moved).toBeLessThanOrEqual(1.5 * difference);
    }
  });
});
