import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  offsetAtRank,
  rankAtVisit,
  shardAtVisit,
  shardAtRank,
  virtualNodesOf,
} from '../../ring/ring.ts';

describe('the ring', () => {
  it('puts exactly one virtual node of every node on every arc', () => {
    const shardCount = fc.integer({ min: 0, max: 12 }).map((bits) => 2 ** bits);
    fc.assert(
      fc.property(fc.string(), shardCount, (id, count) => {
        const nodes = virtualNodesOf(id, count);
        const arcs = new Set<number>();
        for (let rank = 0; rank < count; rank++) arcs.add(shardAtRank(nodes, rank));
        expect(arcs.size).toBe(count);
        expect(Math.min(...arcs)).toBe(0);
        expect(Math.max(...arcs)).toBe(count - 1);
      }),
    );
  });

  it('leads a node with fewer virtual nodes past every shard, the nearest first', () => {
    const shardCount = fc.integer({ min: 0, max: 9 }).map((bits) => 2 ** bits);
    const rings = shardCount.chain((shards) =>
      fc.tuple(fc.string(), fc.constant(shards), fc.integer({ min: 1, max: shards })),
    );
    fc.assert(
      fc.property(rings, ([id, shards, count]) => {
        const nodes = virtualNodesOf(id, shards, count);
        const all = virtualNodesOf(id, shards);
        const met = new Set<number>();
        for (let visit = 0; visit < nodes.visits; visit++) {
          const shard = shardAtVisit(nodes, visit);
          // In the first lap as with all virtual nodes, then as many arcs before.
          const arcs = (shardAtRank(all, rankAtVisit(nodes, visit)) - shard + shards) % shards;
          expect(arcs).toBe(Math.floor(visit / count));
          met.add(shard);
        }
        expect(met.size).toBe(shards);
        expect(nodes.visits).toBeLessThanOrEqual(count * (shards - count + 1));
      }),
    );
  });

  it('spreads the nodes of similar names over different arcs', () => {
    const shardCount = 1024;
    const nearest = new Set<number>();
    for (let index = 0; index < 100; index++) {
      nearest.add(shardAtRank(virtualNodesOf(`node-${index}`, shardCount), 0));
    }
    // 100 random picks of 1024 hit about 95 different ones.
    expect(nearest.size).toBeGreaterThan(85);
  });

  it('spreads offsets evenly over a step', () => {
    const nodes = virtualNodesOf('node-1', 4096);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let rank = 0; rank < 4096; rank++) {
      const tenth = Math.floor((offsetAtRank(nodes, rank) / 2 ** 32) * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    // 409.6 expected each, standard deviation 19.
    for (const count of tenths) expect(Math.abs(count - 410)).toBeLessThan(100);
  });
});
