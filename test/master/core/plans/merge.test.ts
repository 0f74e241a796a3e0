import { asSegmentId } from '../../../support/test-ids.ts';
import { versionId } from '../../../../master/catalog/records.ts';
import type { SegmentRecord } from '../../../../master/catalog/records.ts';
import { describe, expect, test } from 'vitest';
import { planCleanup } from '../../../../master/core/plans/cleanup.ts';
import {
  applyHoldings,
  confirmHeld,
  knowsRevision,
  noHoldings,
  withManifests,
  withoutManifests,
} from '../../../../master/core/world/holdings.ts';
import { expectedOf, noteAnswer, planMerges } from '../../../../master/core/plans/merge.ts';
import type { Merges } from '../../../../master/core/plans/merge.ts';
import type { Dataset, World } from '../../../../master/core/world/world.ts';
import { UID, dataset, holding, world } from '../world-fixture.ts';

const IDS = ['base', 'd1', 'd2', 'd3', 'd4', 'd5'].map((name) => asSegmentId(`00000-${name}`));
const DIGEST = '00'.repeat(15);
const RESULT_ID = asSegmentId(`00000-${DIGEST}06-00000000`);

/** Shard 0 of `ids`, each segment with one record; the other shards are empty. */
function chained(ids: readonly string[], more: Partial<Dataset> = {}): Dataset {
  const segments = ids.map((id) => segment(id, 1, '01'));
  return { ...dataset(), segmentsByShard: [segments, [], [], []], ...more };
}

function segment(name: string, records: number, lastByte: string): SegmentRecord {
  const id = asSegmentId(name);
  const counts = { records, keyBytes: records, valueBytes: records };
  return { id, shard: 0, fileBytes: 10, ...counts, digest: reversed(lastByte) };
}

/** Words of u32 little endian, so that sums are readable. */
const reversed = (byte: string): string => DIGEST + byte;

const RESULT = segment(RESULT_ID, 6, '06');

const NOTHING: Merges = new Map();

const withChain = (ids: readonly string[], held: readonly string[] = ids): World =>
  world({ a: held, b: held, c: [] }, { datasets: [chained(ids)], nowMs: 1_000 });

describe('merges', () => {
  test('are wanted from five deltas on, of every node that has them all', () => {
    expect(planMerges(withChain(IDS.slice(0, 5)), NOTHING).merges.size).toBe(0);
    const { asks, merges } = planMerges(withChain(IDS), NOTHING);
    expect([...asks.keys()].sort()).toEqual(['a', 'b']);
    const [merge] = merges.values();
    expect(merge).toMatchObject({ uid: UID, shard: 0, ids: IDS });
    expect(merge?.totals).toMatchObject({ records: 6, keyBytes: 6 });
  });

  test('are not wanted of a version that is not current', () => {
    const other = world({ a: IDS }, { datasets: [chained(IDS, { current: false })] });
    expect(planMerges(other, NOTHING).merges.size).toBe(0);
  });

  test('leave out what deltas overwrite', () => {
    const overwritten = new Map([['00000-d5', { ...segment('00000-d5', 1, '01') }]]);
    const { merges } = planMerges(
      world({ a: IDS }, { datasets: [chained(IDS, { overwritten })] }),
      NOTHING,
    );
    expect([...merges.values()][0]?.totals).toMatchObject({ records: 5, digest: reversed('05') });
  });

  test('are asked for again after a while, and not before', () => {
    const present = withChain(IDS);
    const plan = planMerges(present, NOTHING);
    const [merge] = plan.merges.values();
    const after = noteAnswer(plan.merges, merge!, 'a', { kind: 'waiting' }, 1_000);
    expect([...planMerges(present, after).asks.keys()]).toEqual(['b']);
    expect([...planMerges({ ...present, nowMs: 2_500 }, after).asks.keys()].sort()).toEqual([
      'a',
      'b',
    ]);
  });

  test('are ready when every node that has the segments has the result too', () => {
    const plan = planMerges(withChain(IDS), NOTHING);
    const [merge] = plan.merges.values();
    const known = noteAnswer(plan.merges, merge!, 'a', { kind: 'done', segment: RESULT }, 1_000);
    const half = world(
      { a: [...IDS, RESULT_ID], b: IDS },
      { datasets: [chained(IDS)], nowMs: 5_000 },
    );
    expect(planMerges(half, known)).toMatchObject({ ready: [] });
    expect([...planMerges(half, known).asks.keys()]).toEqual(['b']);
    const full = withChain(IDS, [...IDS, RESULT_ID]);
    expect(planMerges(full, known).ready).toMatchObject([{ ids: IDS, segment: RESULT }]);
    // They still fit after an append.
    const longer = withChain([...IDS, '00000-d6'], [...IDS, '00000-d6', RESULT_ID]);
    expect(planMerges(longer, known).ready).toMatchObject([{ ids: IDS }]);
    // Not where that has brought, byte for byte, the result: then all of it is merged.
    const twice = [...IDS, RESULT_ID];
    expect([...planMerges(withChain(twice), known).merges.values()]).toMatchObject([
      { ids: twice, segment: undefined },
    ]);
    // They do not fit after a replace.
    expect(planMerges(withChain(['other']), known).merges.size).toBe(0);
  });

  test('do not count with a result of other records', () => {
    const plan = planMerges(withChain(IDS), NOTHING);
    const [merge] = plan.merges.values();
    const wrong = segment(RESULT_ID, 7, '06');
    const after = noteAnswer(plan.merges, merge!, 'a', { kind: 'done', segment: wrong }, 1_000);
    expect([...after.values()][0]?.segment).toBeUndefined();
  });

  test('wait for an owner that is away, or does not have the segments yet', () => {
    const plan = planMerges(withChain(IDS), NOTHING);
    const [merge] = plan.merges.values();
    const known = noteAnswer(plan.merges, merge!, 'a', { kind: 'done', segment: RESULT }, 1_000);
    const all = [...IDS, RESULT_ID];
    const chains = { datasets: [chained(IDS)], nowMs: 5_000 };
    expect(planMerges(world({ a: all, b: [] }, chains), known).ready).toEqual([]);
    const away = world({ a: all, b: all }, chains);
    const suspect = { ...away.nodes.get('b')!, liveness: 'SUSPECT' as const };
    const nodes = new Map(away.nodes).set('b', suspect);
    expect(planMerges({ ...away, nodes }, known).ready).toEqual([]);
    // Not for one that the ring does not want it on any more.
    const owners = [['a'], ['a'], ['a'], ['a']];
    expect(planMerges({ ...away, nodes, owners }, known).ready).toHaveLength(1);
  });

  test('wait for owners that copy the segments from a node that drops them already', () => {
    const plan = planMerges(withChain(IDS), NOTHING);
    const [merge] = plan.merges.values();
    const known = noteAnswer(plan.merges, merge!, 'c', { kind: 'done', segment: RESULT }, 1_000);
    const chains = { datasets: [chained(IDS)], nowMs: 5_000 };
    // `c` is no owner any more: its copies are surplus, one by one.
    const copied = IDS.slice(1);
    const held = { a: copied, b: copied, c: [...IDS.slice(0, 1), RESULT_ID] };
    expect(planMerges(world(held, chains), known).ready).toEqual([]);
    // Without the first one no owner can ever have them all.
    expect(planMerges(world({ ...held, c: [RESULT_ID] }, chains), known).ready).toHaveLength(1);
  });

  test('are known by their result where the segments are gone, as after a restore', () => {
    const restored = world(
      { a: [RESULT_ID], b: [RESULT_ID] },
      { datasets: [chained(IDS)], nowMs: 1_000 },
    );
    const { asks, merges } = planMerges(restored, NOTHING);
    expect([...asks.keys()].sort()).toEqual(['a', 'b']);
    const [merge] = merges.values();
    const known = noteAnswer(merges, merge!, 'a', { kind: 'done', segment: RESULT }, 1_000);
    expect(planMerges(restored, known).ready).toMatchObject([{ ids: IDS, segment: RESULT }]);
  });

  test('are copied by a node that comes to other bytes', () => {
    const plan = planMerges(withChain(IDS), NOTHING);
    const [merge] = plan.merges.values();
    const other = segment(`00000-${DIGEST}06-00000001`, 6, '06');
    const first = noteAnswer(plan.merges, merge!, 'a', { kind: 'done', segment: RESULT }, 1_000);
    const both = noteAnswer(first, merge!, 'b', { kind: 'done', segment: other }, 1_000);
    const present = world(
      { a: [...IDS, RESULT_ID], b: [...IDS, other.id] },
      { datasets: [chained(IDS)], nowMs: 5_000 },
    );
    expect(planMerges(present, both)).toMatchObject({
      ready: [],
      copies: [{ target: 'b', segment: RESULT, sources: ['a'] }],
    });
  });

  test('are copied by a node that has failed twice, once another node has the result', () => {
    let { merges } = planMerges(withChain(IDS), NOTHING);
    const [merge] = merges.values();
    for (const failure of [1, 2]) {
      merges = noteAnswer(merges, merge!, 'b', { kind: 'failed' }, failure * 1_000);
    }
    merges = noteAnswer(merges, merge!, 'a', { kind: 'done', segment: RESULT }, 3_000);
    const half = world(
      { a: [...IDS, RESULT_ID], b: IDS },
      { datasets: [chained(IDS)], nowMs: 100_000 },
    );
    expect(planMerges(half, merges).copies).toEqual([
      { target: 'b', uid: UID, segment: RESULT, sources: ['a'], isArchived: false },
    ]);
  });

  test('are given to a node a bounded number at a time', () => {
    const segmentsByShard = Array.from({ length: 300 }, (_unused, shard) =>
      IDS.map((id) => ({ ...segment(`${id}-${shard}`, 1, '01'), shard })),
    );
    const held = segmentsByShard.flat().map(({ id }) => id);
    const many = world(
      { a: held },
      { datasets: [{ ...chained([]), segmentsByShard }], shardCount: 300 },
    );
    expect(planMerges(many, NOTHING).asks.get('a')?.length).toBeLessThanOrEqual(64);
  });
});

test('of the manifests of a version the newest revision counts, and all go with the version', () => {
  const [one, eleven] = [versionId(UID, 1), versionId(UID, 11)];
  let held = withManifests(noHoldings('run'), [one, eleven]);
  for (const revision of [2, 1]) held = withManifests(held, [one], revision);
  expect([0, 2, 3].map((revision) => knowsRevision(held, one, revision))).toEqual([
    true,
    true,
    false,
  ]);
  expect([...withoutManifests(held, [one]).manifests]).toEqual([[eleven, 0]]);
});

test('what a node confirms counts unless a list of later holdings is known', () => {
  const removed = { revision: 5, full: true, added: [], removed: [] };
  const listed = applyHoldings(noHoldings('run'), removed, 0);
  expect(confirmHeld(listed, UID, IDS, 4)).toBe(listed);
  for (const revision of [5, 6, undefined]) {
    expect(confirmHeld(listed, UID, IDS, revision).segments.get(UID)).toEqual(new Set(IDS));
  }
});

describe('what merging leaves over', () => {
  const QUIET = { nowMs: 1e9, knownSinceMs: new Map([[UID, 0]]) };
  const dropsOf = (present: World): string[] =>
    planCleanup(present, () => true).drops.flatMap(({ node, segments }) =>
      segments.map(({ segmentId }) => `${node} ${segmentId}`),
    );

  test('a result that no manifest names yet is kept, also when nothing was loaded for long', () => {
    const { merges } = planMerges(withChain(IDS), NOTHING);
    const present = world({ a: [...IDS, RESULT_ID] }, { datasets: [chained(IDS)], ...QUIET });
    expect(dropsOf(present)).toEqual([`a ${RESULT_ID}`]);
    expect(dropsOf({ ...present, expected: expectedOf(merges) })).toEqual([]);
  });

  test('the old segments go from a node that has the new manifest, and from no other', () => {
    const merged = { merged: IDS, revision: 1 };
    const present = world(
      { a: [...IDS, RESULT_ID], b: [...IDS, RESULT_ID] },
      { datasets: [chained([RESULT_ID], merged)] },
    );
    const holdings = new Map(present.holdings);
    const known = holding('a', [...IDS, RESULT_ID]);
    holdings.set('a', withManifests(known, [versionId(UID, 1)], 1));
    const after = { ...present, holdings };
    expect(dropsOf(after)).toEqual(IDS.map((id) => `a ${id}`));
    expect(dropsOf({ ...after, ...QUIET }).filter((drop) => drop.startsWith('b'))).toEqual([]);
    // A load may bring the same bytes again.
    expect(dropsOf({ ...after, loading: new Set([UID]) })).toEqual([]);
    // Another version may still need them.
    const both = [chained([RESULT_ID], merged), chained(IDS, { version: 2, current: false })];
    expect(dropsOf({ ...after, datasets: both })).toEqual([]);
  });
});
