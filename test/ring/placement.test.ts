import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { movedReplicas, placeShards } from '../../ring/placement.ts';
import type { PlacementNode } from '../../ring/placement.ts';
import { apartNodes, counts, largest, placement } from './members.ts';

const shardCounts = fc.constantFrom(1, 2, 16, 128, 256);
const replications = fc.integer({ min: 1, max: 4 });
const perWeight = fc.integer({ min: 1, max: 300 });

/** Nodes with names of any kind in up to 5 zones; hosts belong to one zone. */
const memberships = fc.uniqueArray(
  fc
    .record({ id: fc.string({ minLength: 1 }), zone: fc.nat(4), host: fc.nat(3) })
    .map(({ id, zone, host }): PlacementNode => ({
      id,
      zone: `zone-${zone}`,
      host: `zone-${zone}-host-${host}`,
    })),
  { minLength: 1, maxLength: 24, selector: (node) => node.id },
);

describe('placement', () => {
  it('gives every shard as many distinct owners as replicas are wanted or nodes there are', () => {
    fc.assert(
      fc.property(memberships, shardCounts, replications, (nodes, shardCount, replication) => {
        const owners = placeShards({ nodes, shardCount, replication });
        expect(owners.length).toBe(shardCount);
        const wanted = Math.min(replication, nodes.length);
        const ids = new Set(nodes.map((node) => node.id));
        const bad = owners.find(
          (list) =>
            list.length !== wanted ||
            new Set(list).size !== wanted ||
            !list.every((id) => ids.has(id)),
        );
        expect(bad).toBeUndefined();
      }),
    );
  });

  it('depends on the set of nodes alone, not on their order', () => {
    const shuffled = memberships.chain((nodes) =>
      fc.tuple(
        fc.constant(nodes),
        fc.shuffledSubarray(nodes, { minLength: nodes.length, maxLength: nodes.length }),
      ),
    );
    fc.assert(
      fc.property(
        shuffled,
        shardCounts,
        replications,
        ([nodes, other], shardCount, replication) => {
          const text = (members: readonly PlacementNode[]): string =>
            JSON.stringify(placeShards({ nodes: members, shardCount, replication }));
          expect(text(other)).toBe(text(nodes));
        },
      ),
    );
  });

  it('uses as many zones as there are, then as many hosts, with any number of virtual nodes', () => {
    fc.assert(
      fc.property(memberships, shardCounts, replications, perWeight, (nodes, ...numbers) => {
        const [shardCount, replication, virtualNodes] = numbers;
        const zoneOf = new Map(nodes.map((node) => [node.id, node.zone]));
        const hostOf = new Map(nodes.map((node) => [node.id, node.host]));
        const zones = Math.min(replication, new Set(zoneOf.values()).size);
        const hosts = Math.min(replication, new Set(hostOf.values()).size);
        const bad = placeShards({ nodes, shardCount, replication, virtualNodes }).find(
          (list) =>
            new Set(list).size !== Math.min(replication, nodes.length) ||
            new Set(list.map((id) => zoneOf.get(id))).size !== zones ||
            new Set(list.map((id) => hostOf.get(id))).size !== hosts,
        );
        expect(bad).toBeUndefined();
      }),
    );
  });

  it('has what wants fewer copies, or more, in as many zones and on as many hosts', () => {
    fc.assert(
      fc.property(
        memberships,
        shardCounts,
        replications,
        replications,
        (nodes, shardCount, replication, more) => {
          const replicationMax = Math.max(replication, more);
          const asked = { nodes, shardCount, replication, replicationMax };
          const zoneOf = new Map(nodes.map((node) => [node.id, node.zone]));
          const hostOf = new Map(nodes.map((node) => [node.id, node.host]));
          const apart = (
            list: readonly string[],
            placeOf: ReadonlyMap<string, string>,
          ): boolean => {
            const wanted = Math.min(list.length, new Set(placeOf.values()).size);
            return new Set(list.map((id) => placeOf.get(id))).size === wanted;
          };
          const bad = placeShards(asked).flatMap((list) =>
            list
              .map((_, last) => list.slice(0, last + 1))
              .filter((first) => !apart(first, zoneOf) || !apart(first, hostOf)),
          );
          expect(bad).toEqual([]);
        },
      ),
    );
  });

  it('loads no node above ceil(1.10 x mean) when all are alike', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        shardCounts,
        replications,
        (nodeCount, round, shardCount, wanted) => {
          const replication = Math.min(wanted, nodeCount);
          const owners = placement(apartNodes(nodeCount, round), shardCount, wanted);
          const mean = (shardCount * replication) / nodeCount;
          expect(largest(owners.flat())).toBeLessThanOrEqual(Math.ceil(1.1 * mean - 1e-6));
        },
      ),
    );
  });

  it('holds the bound on one machine, where all nodes share the host', () => {
    for (const nodeCount of [2, 3, 4, 5, 8]) {
      const nodes = apartNodes(nodeCount, nodeCount).map((node) => ({
        ...node,
        host: '127.0.0.1',
      }));
      const owners = placement(nodes, 128, 2);
      expect(largest(owners.flat())).toBeLessThanOrEqual(Math.ceil((1.1 * 256) / nodeCount));
      for (const list of owners) expect(new Set(list).size).toBe(2);
    }
  });

  it('makes no node the first owner of more than ceil(1.25 x mean) shards', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.nat(),
        fc.constantFrom(128, 256, 1024),
        fc.integer({ min: 2, max: 4 }),
        (nodeCount, round, shardCount, replication) => {
          const owners = placement(apartNodes(nodeCount, round), shardCount, replication);
          const firsts = owners.flatMap((list) => list.slice(0, 1));
          expect(firsts.length).toBe(shardCount);
          expect(largest(firsts)).toBeLessThanOrEqual(Math.ceil((1.25 * shardCount) / nodeCount));
        },
      ),
    );
  });

  it('balances three zones of unequal size within each zone', () => {
    const sizes = [4, 3, 3];
    const nodes = sizes.flatMap((size, zone) =>
      apartNodes(size, zone).map((node) => ({ ...node, zone: `zone-${zone}` })),
    );
    const load = counts(placement(nodes, 1024, 3).flat());
    for (const node of nodes) {
      const size = sizes[Number(node.zone.slice(5))] ?? 0;
      expect(load.get(node.id)).toBeLessThanOrEqual(Math.ceil((1.1 * 1024) / size));
    }
  });

  it('lets distinct zones win over the load bound when one zone is small', () => {
    const nodes = apartNodes(10, 7).map((node, at) => ({ ...node, zone: at === 0 ? 'a' : 'b' }));
    const owners = placement(nodes, 128, 2);
    const lonely = nodes[0]?.id ?? '';
    for (const list of owners) expect(list).toContain(lonely);
    const others = counts(owners.flat().filter((id) => id !== lonely));
    expect(Math.max(...others.values())).toBeLessThanOrEqual(Math.ceil((1.1 * 128) / 9));
  });

  it('loads nodes in proportion to their weights', () => {
    const nodes = apartNodes(9, 3).map((node, at) => ({ ...node, weight: (at % 3) + 1 }));
    const load = counts(placement(nodes, 1024, 2).flat());
    for (const node of nodes) {
      const fair = (2048 * node.weight) / 18;
      expect(load.get(node.id)).toBeLessThanOrEqual(Math.ceil(1.1 * fair));
      expect(load.get(node.id)).toBeGreaterThan(0.8 * fair);
    }
  });

  it('is the same with one virtual node for each shard, with more, and without a number', () => {
    fc.assert(
      fc.property(memberships, shardCounts, replications, (nodes, shardCount, replication) => {
        const heavy = nodes.map((node, at) => ({ ...node, weight: (at % 3) + 1 }));
        const plain = placeShards({ nodes: heavy, shardCount, replication });
        for (const virtualNodes of [shardCount, 2 * shardCount]) {
          const input = { nodes: heavy, shardCount, replication, virtualNodes };
          expect(placeShards(input)).toEqual(plain);
        }
      }),
    );
  });

  it('holds the load bound with few virtual nodes, in proportion to weights', () => {
    for (const virtualNodes of [1, 4, 32]) {
      const nodes = apartNodes(9, 3).map((node, at) => ({ ...node, weight: (at % 3) + 1 }));
      const input = { nodes, shardCount: 1024, replication: 2, virtualNodes };
      const load = counts(placeShards(input).flat());
      for (const node of nodes) {
        expect(load.get(node.id)).toBeLessThanOrEqual(Math.ceil((1.1 * 2048 * node.weight) / 18));
      }
    }
  });

  it.each([
    ['no power of two', { shardCount: 100 }],
    ['no replica', { replication: 0 }],
    ['half a replica', { replication: 1.5 }],
    ['too many replicas', { replication: 8 }],
    ['no virtual node', { virtualNodes: 0 }],
    ['half a virtual node', { virtualNodes: 1.5 }],
    ['a name twice', { nodes: [...apartNodes(2, 1), ...apartNodes(1, 1)] }],
    ['no weight', { nodes: apartNodes(2, 1).map((node) => ({ ...node, weight: 0 })) }],
    [
      'a weight that is no number',
      { nodes: apartNodes(2, 1).map((node) => ({ ...node, weight: NaN })) },
    ],
  ])('refuses %s', (_, wrong) => {
    const input = { nodes: apartNodes(3, 1), shardCount: 128, replication: 2, ...wrong };
    expect(() => placeShards(input)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('gives shards without owners where there is no node', () => {
    expect(placeShards({ nodes: [], shardCount: 4, replication: 2 })).toEqual([[], [], [], []]);
  });

  it('counts as moved what the new placement has and the old had not', () => {
    const before = [
      ['a', 'b'],
      ['b', 'c'],
    ];
    expect(
      movedReplicas(before, [
        ['b', 'a'],
        ['c', 'd'],
      ]),
    ).toBe(1);
    expect(movedReplicas(before, before)).toBe(0);
    expect(movedReplicas([], [['a'], ['b']])).toBe(2);
  });

  it('plans 1,000 nodes, 4,096 shards and 3 replicas in well under a second', () => {
    const nodes = apartNodes(1000, 1);
    placement(nodes, 4096, 3);
    const start = performance.now();
    const owners = placement(nodes, 4096, 3);
    expect(performance.now() - start).toBeLessThan(1000);
    expect(largest(owners.flat())).toBeLessThanOrEqual(Math.ceil((1.1 * 4096 * 3) / 1000));
  });
});
