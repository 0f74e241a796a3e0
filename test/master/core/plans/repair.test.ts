import { asUid } from '../../../support/test-ids.ts';
import { describe, expect, test } from 'vitest';
import { finishedCleanup, planCleanup } from '../../../../master/core/plans/cleanup.ts';
import { answered, missed } from '../../../../master/core/world/membership.ts';
import {
  copyFailed,
  copyKey,
  forgetTarget,
  planRepair,
} from '../../../../master/core/plans/repair.ts';
import type { InFlight } from '../../../../master/core/plans/repair.ts';
import type { VersionId } from '../../../../master/catalog/records.ts';
import { followWorld } from '../../../../master/core/serving/serving.ts';
import type { World } from '../../../../master/core/world/world.ts';
import type { HeartbeatResponse } from '../../../../proto/gen/stele/v1/datanode.ts';
import { NodeState } from '../../../../proto/gen/stele/v1/view.ts';
import {
  FULL,
  LIMITS,
  UID,
  dataset,
  full,
  heartbeat,
  holding,
  serving,
  leavingVersion,
  world,
} from '../world-fixture.ts';

const NONE: InFlight = new Map();
const limits = { copiesPerNodeMax: 4, bytesPerSecondMax: 0 };
const orders = (of: World, before = NONE): string[] =>
  planRepair(of, before, limits).orders.map(
    ({ target, segment, sources }) => `${segment.id} ${sources.join(',')}>${target}`,
  );

describe('repair', () => {
  test('copies nothing where everybody has what the ring wants', () => {
    expect(orders(world(FULL))).toEqual([]);
  });

  test('copies what an owner lacks from who holds it, once', () => {
    const of = world({ ...FULL, a: ['00002-v1'] });
    expect(orders(of)).toEqual(['00000-v1 b>a']);
    const { inFlight } = planRepair(of, NONE, limits);
    expect(orders(of, inFlight)).toEqual([]);
  });

  test('copies nothing to a node whose disk is full, until it is well', () => {
    const of = world({ ...FULL, a: ['00002-v1'] });
    const nodes = new Map(of.nodes).set('a', full('a'));
    expect(orders({ ...of, nodes })).toEqual([]);
    expect(orders(of)).toEqual(['00000-v1 b>a']);
  });

  test('saves what has the fewest replicas first, and the current version before others', () => {
    const of = world(
      {
        a: ['00000-v1', '00000-v2', '00002-v2'],
        b: ['00000-v1', '00001-v1', '00000-v2'],
        c: ['00000-v1'],
      },
      { datasets: [dataset(1, false), dataset(2, true)] },
    );
    expect(orders(of)).toEqual(['00002-v2 a>b', '00001-v1 b>c']);
  });

  test('orders nothing for a node that does not serve or whose holdings are not known yet', () => {
    const of = world({ ...FULL, a: [] });
    const suspect = missed(serving('a'), 0, LIMITS);
    expect(orders({ ...of, nodes: new Map(of.nodes).set('a', suspect) })).toEqual([]);
    const unknown = { ...holding('a', []), revision: 0 };
    expect(orders({ ...of, holdings: new Map(of.holdings).set('a', unknown) })).toEqual([]);
  });

  test('asks nobody where no verified copy is left', () => {
    expect(orders(world({ a: [], b: [], c: [] }))).toEqual([]);
  });

  test('gives a node at most four large copies at a time, but many small ones', () => {
    const count = (bytes: number): number =>
      orders(
        world({ a: FULL.b, b: [] }, { datasets: [dataset(1, true, bytes)], owners: OWNERS_AB }),
      ).length;
    const OWNERS_AB = [0, 1, 2, 3].map(() => ['a', 'b']);
    expect(count(100)).toBe(4);
    const few = { copiesPerNodeMax: 1, bytesPerSecondMax: 0 };
    const big = world(
      { a: FULL.b, b: [] },
      { datasets: [dataset(1, true, 100_000_000)], owners: OWNERS_AB },
    );
    expect(planRepair(big, NONE, few).orders).toHaveLength(1);
    const small = { ...big, datasets: [dataset(1, true, 1_000)] };
    expect(planRepair(small, NONE, few).orders).toHaveLength(4);
  });

  test('tries a failed copy again after a pause that grows, and one that is overdue too', () => {
    const of = world({ ...FULL, a: ['00002-v1'] });
    const key = copyKey('a', UID, '00000-v1');
    let plan = planRepair(of, NONE, limits);
    const failed = copyFailed(plan.inFlight, key, 0, 'no room');
    expect(orders({ ...of, nowMs: 499 }, failed)).toEqual([]);
    plan = planRepair({ ...of, nowMs: 500 }, failed, limits);
    expect(plan.orders).toHaveLength(1);
    const again = copyFailed(plan.inFlight, key, 500, 'no room');
    expect(orders({ ...of, nowMs: 1_499 }, again)).toEqual([]);
    expect(orders({ ...of, nowMs: 1_500 }, again)).toHaveLength(1);
    const overdue = planRepair({ ...of, nowMs: 3_600_000 }, plan.inFlight, limits);
    expect(overdue.orders).toHaveLength(0);
    expect(orders({ ...of, nowMs: 3_602_000 }, overdue.inFlight)).toHaveLength(1);
    expect(orders(of, forgetTarget(plan.inFlight, 'a'))).toHaveLength(1);
  });
});

describe('cleanup', () => {
  const never = (): boolean => false;
  const drops = (of: World): string[] =>
    planCleanup(of, never).drops.flatMap(({ node, segments }) =>
      segments.map(({ segmentId }) => `${segmentId}@${node}`),
    );

  test('drops a surplus copy only when all owners serve verified ones', () => {
    const surplus = world({ ...FULL, c: [...FULL.c, '00000-v1'] });
    expect(drops(surplus)).toEqual(['00000-v1@c']);
    const nodes = new Map(surplus.nodes).set('a', missed(serving('a'), 0, LIMITS));
    expect(drops({ ...surplus, nodes })).toEqual([]);
    expect(drops(world({ a: ['00002-v1'], b: FULL.b, c: [...FULL.c, '00000-v1'] }))).toEqual([]);
  });

  test('never drops the last good copy, wherever it is', () => {
    expect(drops(world({ a: [], b: [], c: ['00000-v1', '00002-v1'] }))).toEqual([]);
  });

  test('drops what no version names after an hour without a load, retired segments at once', () => {
    const of = world({ ...FULL, a: [...FULL.a, 'stray'] });
    expect(drops({ ...of, nowMs: 3_599_999 })).toEqual([]);
    expect(drops({ ...of, nowMs: 3_600_000 })).toEqual(['stray@a']);
    expect(drops({ ...of, leaving: [leavingVersion(9, ['stray', '00000-v1'])] })).toEqual([
      'stray@a',
    ]);
  });

  test('drops nothing of a version or keyspace that may still be read, be it a year', () => {
    const leaving = [leavingVersion(9, ['old-s0'])];
    const of = world({ ...FULL, a: [...FULL.a, 'old-s0'] }, { leaving, nowMs: 3e10 });
    expect(drops(of)).toEqual(['old-s0@a']);
    expect(planCleanup(of, never).drops.every(({ versions }) => versions.length === 1)).toBe(true);
    const stillReadable = { ...of, stillReadable: new Set([leaving[0]!.ref]) };
    expect(planCleanup(stillReadable, never).drops).toEqual([]);
    const gone = world({ a: ['00000-v1'] }, { datasets: [], deleting: new Set([UID]) });
    expect(drops(gone)).toEqual(['00000-v1@a']);
    expect(drops({ ...gone, stillReadable: new Set([UID]), knownSinceMs: new Map() })).toEqual([]);
  });

  test('names the revision of the holdings that it was decided by', () => {
    const of = world({ ...FULL, c: [...FULL.c, '00000-v1'] });
    const holdings = new Map(of.holdings);
    holdings.set('c', { ...holding('c', [...FULL.c, '00000-v1']), revision: 41 });
    expect(planCleanup({ ...of, holdings }, never).drops).toMatchObject([
      { node: 'c', holdingsRevision: 41 },
    ]);
  });

  test('leaves segments of an unknown keyspace alone and counts them', () => {
    const of = world(FULL, {
      holdings: new Map(world(FULL).holdings).set('c', holding('c', ['x', 'y'], asUid('unknown'))),
      nowMs: 9_999_999,
    });
    expect(drops(of)).toEqual([]);
    expect(planCleanup(of, never).unknownSegments).toBe(2);
  });

  test('a keyspace is forgotten when no known node has anything of it, silent nodes included', () => {
    const leaving = [leavingVersion(1, [])];
    const of = (held: Parameters<typeof world>[0]): World =>
      world(held, { datasets: [], deleting: new Set([UID]), knownSinceMs: new Map(), leaving });
    const always = (): boolean => true;
    expect(drops(of({ a: ['00000-v1'] }))).toEqual(['00000-v1@a']);
    expect(finishedCleanup(of({ a: ['00000-v1'] }), always).keyspaces).toEqual([]);
    expect(finishedCleanup(of({ a: [] }), never).keyspaces).toEqual([]);
    expect(finishedCleanup(of({ a: [] }), always).keyspaces).toEqual([UID]);
    const silent = of({ a: [], b: [] });
    const holdings = new Map(silent.holdings);
    holdings.delete('b');
    expect(finishedCleanup({ ...silent, holdings }, always).keyspaces).toEqual([]);
  });

  test('a keyspace is not forgotten while the holdings of a node are incomplete or out of date', () => {
    const of = world(
      { a: [], b: [] },
      { datasets: [], deleting: new Set([UID]), knownSinceMs: new Map() },
    );
    const gone = (change: Partial<HeartbeatResponse>): readonly string[] => {
      const report = { ...heartbeat('b', NodeState.SERVING), ...change };
      const nodes = new Map(of.nodes).set('b', answered(serving('b'), report, 0));
      return finishedCleanup({ ...of, nodes }, () => true).keyspaces;
    };
    expect(gone({})).toEqual([UID]);
    expect(gone({ state: NodeState.INITIALIZING })).toEqual([]);
    expect(gone({ holdingsRevision: 2 })).toEqual([]);
  });
});

describe('what no node has', () => {
  const fromStore = (of: World): [string, boolean][] =>
    planRepair(of, NONE, limits).orders.map(({ isArchived, segment, target }) => [
      `${segment.id}>${target}`,
      isArchived,
    ]);

  test('comes from the deep store, if the version is there', () => {
    const lost = world({ a: ['00002-v1'], b: ['00002-v1'], c: [] });
    expect(fromStore(lost)).toEqual([]);
    const archived = { ...lost, archived: new Set([lost.datasets[0]?.ref as VersionId]) };
    expect(new Set(fromStore(archived))).toEqual(
      new Set([
        ['00000-v1>a', true],
        ['00000-v1>b', true],
        ['00001-v1>b', true],
        ['00001-v1>c', true],
        ['00003-v1>b', true],
        ['00003-v1>c', true],
      ]),
    );
  });

  test('is ordered as soon as the version is noted to be there', () => {
    const before = world({ a: ['00002-v1'], b: ['00002-v1'], c: [] });
    expect(fromStore(before)).toEqual([]);
    const after = { ...before, archived: new Set([before.datasets[0]?.ref as VersionId]) };
    followWorld(before, after);
    expect(fromStore(after).length).toBeGreaterThan(0);
  });
});
