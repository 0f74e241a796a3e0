import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planCleanup } from '../../../../master/core/plans/cleanup.ts';
import { missed } from '../../../../master/core/world/membership.ts';
import { planRepair } from '../../../../master/core/plans/repair.ts';
import type { InFlight } from '../../../../master/core/plans/repair.ts';
import type { World } from '../../../../master/core/world/world.ts';
import { LIMITS, dataset, holding, world, leavingVersion } from '../world-fixture.ts';

const NODES = ['a', 'b', 'c', 'd'];
const SEGMENTS = ['00000-v1', '00001-v1', '00002-v1', '00003-v1'];
const limits = { copiesPerNodeMax: 2, bytesPerSecondMax: 0 };

type Disk = Map<string, Set<string>>;

/** Arbitrary holdings, owners and silent nodes. */
const scene = fc.record({
  held: fc.array(fc.subarray(SEGMENTS), { minLength: 4, maxLength: 4 }),
  owners: fc.array(fc.shuffledSubarray(NODES, { minLength: 2, maxLength: 2 }), {
    minLength: 4,
    maxLength: 4,
  }),
  silent: fc.subarray(NODES),
});

function worldOf(disk: Disk, owners: string[][], silent: readonly string[], nowMs: number): World {
  const held = Object.fromEntries(NODES.map((id) => [id, [...(disk.get(id) ?? [])]]));
  const base = world(held, { datasets: [dataset()], owners, nowMs });
  const nodes = new Map(base.nodes);
  for (const id of silent) {
    const node = nodes.get(id);
    if (node !== undefined) nodes.set(id, missed(node, 0, LIMITS));
  }
  const holdings = new Map(NODES.map((id) => [id, holding(id, held[id] ?? [])]));
  return { ...base, nodes, holdings };
}

const holders = (disk: Disk, id: string): string[] =>
  NODES.filter((node) => disk.get(node)?.has(id) === true);

/** One turn: drops first, as the worst order, then copies, both carried out at once. */
function turn(disk: Disk, of: World, inFlight: InFlight): InFlight {
  const { drops } = planCleanup(of, () => false);
  const { orders, inFlight: after } = planRepair(of, inFlight, limits);
  for (const { node, segments } of drops) {
    for (const { segmentId } of segments) disk.get(node)?.delete(segmentId);
  }
  for (const { target, segment, sources } of orders) {
    const isThere = sources.some((source) => disk.get(source)?.has(segment.id) === true);
    if (isThere) disk.get(target)?.add(segment.id);
  }
  return after;
}

describe('repair and cleanup together', () => {
  test('never lose the last copy, and end with exactly the owners where everybody serves', () => {
    fc.assert(
      fc.property(scene, ({ held, owners, silent }) => {
        const disk: Disk = new Map(NODES.map((id, index) => [id, new Set(held[index])]));
        const before = SEGMENTS.filter((id) => holders(disk, id).length > 0);
        let inFlight: InFlight = new Map();
        for (let round = 0; round < 6; round++) {
          inFlight = turn(disk, worldOf(disk, owners, silent, round), inFlight);
          expect(SEGMENTS.filter((id) => holders(disk, id).length > 0)).toEqual(before);
        }
        for (let round = 0; round < 12; round++) {
          inFlight = turn(disk, worldOf(disk, owners, [], 10 + round), inFlight);
          expect(SEGMENTS.filter((id) => holders(disk, id).length > 0)).toEqual(before);
        }
        for (const [shard, id] of SEGMENTS.entries()) {
          if (before.includes(id)) expect(holders(disk, id)).toEqual([...owners[shard]!].sort());
        }
      }),
      { numRuns: 300 },
    );
  });

  test('carry out nothing on nodes that are silent', () => {
    fc.assert(
      fc.property(scene, ({ held, owners, silent }) => {
        const disk: Disk = new Map(NODES.map((id, index) => [id, new Set(held[index])]));
        const leaving = [leavingVersion(9, SEGMENTS)];
        const of = { ...worldOf(disk, owners, silent, 0), leaving };
        const { drops } = planCleanup(of, () => false);
        const { orders } = planRepair(of, new Map(), limits);
        const touched = [...drops.map(({ node }) => node), ...orders.map(({ target }) => target)];
        expect(touched.filter((node) => silent.includes(node))).toEqual([]);
      }),
    );
  });
});
