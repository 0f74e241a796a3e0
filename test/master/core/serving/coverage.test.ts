// What is memoised from turn to turn must equal a full evaluation.

import { expect, test } from 'vitest';
import { balanceOf } from '../../../../master/core/serving/balance.ts';
import { planCleanup } from '../../../../master/core/plans/cleanup.ts';
import { coverageOf } from '../../../../master/core/serving/coverage.ts';
import { computeHealth } from '../../../../master/core/serving/health.ts';
import { missed } from '../../../../master/core/world/membership.ts';
import { withEntry } from '../../../../master/core/world/chunked-map.ts';
import { planRepair } from '../../../../master/core/plans/repair.ts';
import { followWorld, servingOf } from '../../../../master/core/serving/serving.ts';
import { holdsShard, servesShard } from '../../../../master/core/world/world.ts';
import type { World } from '../../../../master/core/world/world.ts';
import { seededRandom } from '../../../support/inputs/rows.ts';
import { FULL, LIMITS, UID, dataset, holding, serving, world } from '../world-fixture.ts';

function drawFrom(seed: number): (below: number) => number {
  const next = seededRandom(seed);
  return (below) => Math.floor(next() * below);
}

const REPAIR = { copiesPerNodeMax: 4, bytesPerSecondMax: 0 };

/** Everything that depends on the coverage. */
function plansOf(of: World) {
  return {
    health: computeHealth(of),
    routes: servingOf(of).routes,
    repair: planRepair(of, new Map(), REPAIR),
    cleanup: planCleanup(of, () => false),
  };
}

/** Two of its shards have no segments. */
const HOLED = {
  ...dataset(),
  segmentsByShard: dataset().segmentsByShard.map((chain, shard) => (shard < 2 ? [] : chain)),
};
const SUSPENDED = { ...dataset(), suspended: true };

/** Changes one thing in the world. */
function changed(of: World, draw: (below: number) => number): World {
  const id = ['a', 'b', 'c'][draw(3)]!;
  switch (draw(5)) {
    case 0: {
      const ids = [1, 2].flatMap((version) =>
        [0, 1, 2, 3].filter(() => draw(2) === 0).map((shard) => `0000${shard}-v${version}`),
      );
      if (draw(4) === 0) ids.push('stray');
      return { ...of, holdings: new Map(of.holdings).set(id, holding(id, ids)) };
    }
    case 1: {
      const node = draw(2) === 0 ? serving(id) : missed(serving(id), 0, LIMITS);
      return { ...of, nodes: withEntry(of.nodes, id, node) };
    }
    case 2: {
      const owners = of.owners.map(() => (draw(2) === 0 ? ['a', 'b'] : ['c', 'a']));
      return { ...of, owners };
    }
    case 3: {
      const both = [dataset(1, false), dataset(2, true)];
      return { ...of, datasets: [both, [dataset()], [HOLED], [SUSPENDED]][draw(4)]! };
    }
    default:
      return { ...of, nowMs: of.nowMs + 3_600_000 };
  }
}

test('what a turn takes over from the one before is what looking at everything anew says', () => {
  const draw = drawFrom(11);
  let now = world(FULL);
  for (let step = 0; step < 2_000; step++) {
    const next = changed(now, draw);
    followWorld(now, next);
    expect(plansOf(next), `step ${step}`).toEqual(plansOf({ ...next }));
    now = next;
  }
});

test('nothing is counted again where nothing has changed', () => {
  const before = world(FULL);
  const serves = servingOf(before);
  const after = { ...before, nowMs: 500, nodes: new Map(before.nodes) };
  followWorld(before, after);
  expect(coverageOf(after)).toBe(coverageOf(before));
  expect(servingOf(after)).toBe(serves);
});

test('the counts are those of asking each node for each shard', () => {
  const draw = drawFrom(12);
  let now = world(FULL);
  for (let step = 0; step < 300; step++) {
    now = changed(now, draw);
    const { answering } = servingOf(now);
    for (const [at, one] of now.datasets.entries()) {
      if (!one.current) continue;
      const asked = [0, 1, 2, 3].map(
        (shard) =>
          [...now.nodes.values()].filter((node) => servesShard(now, node, one, shard)).length,
      );
      expect([...answering[at]!], `step ${step}`).toEqual(asked);
    }
    for (const id of ['a', 'b', 'c']) {
      const lacks = now.datasets.some((one) =>
        now.owners.some(
          (owners, shard) =>
            owners.slice(0, one.replication).includes(id) &&
            !holdsShard(now.holdings.get(id), one, shard),
        ),
      );
      expect(balanceOf(now, id).lacks, `step ${step}, ${id}`).toBe(lacks);
    }
  }
});

test('a stray segment is noticed beside all that a node should have', () => {
  const exact = world(FULL);
  expect(balanceOf(exact, 'a')).toMatchObject({ lacks: false, exceeds: false });
  const stray = new Map(exact.holdings).set('a', holding('a', [...FULL.a, 'stray'], UID));
  expect(balanceOf({ ...exact, holdings: stray }, 'a').exceeds).toBe(true);
});
