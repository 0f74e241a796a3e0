import { asSegmentId, asUid } from '../../../support/test-ids.ts';
import { versionId } from '../../../../master/catalog/records.ts';
import { describe, expect, test } from 'vitest';
import { HealthStatus, NodeState } from '../../../../proto/gen/stele/v1/view.ts';
import { computeHealth, isAtLeast } from '../../../../master/core/serving/health.ts';
import { missed } from '../../../../master/core/world/membership.ts';
import type { NodeStatus } from '../../../../master/core/world/membership.ts';
import { NO_PLACEMENT, placeOwners } from '../../../../master/core/world/placement.ts';
import { nodeState } from '../../../../master/core/serving/routes.ts';
import { servingOf } from '../../../../master/core/serving/serving.ts';
import { deaf, FULL, LIMITS, known, dataset, holding, serving, world } from '../world-fixture.ts';

const { GREEN, YELLOW, RED } = HealthStatus;
const suspect = (id: string): NodeStatus => missed(serving(id), 0, LIMITS);
const routes = (of: ReturnType<typeof world>): string[][] =>
  servingOf(of).routes.map((ids) => [...ids]);

describe('health', () => {
  test('is GREEN and ready with two verified replicas of each shard', () => {
    expect(computeHealth(world(FULL))).toMatchObject({ status: GREEN, ready: true });
  });

  test('is YELLOW as soon as one of them is suspect, and names no shard', () => {
    const nodes = new Map(world(FULL).nodes).set('c', suspect('c'));
    const health = computeHealth(world(FULL, { nodes }));
    expect(health).toMatchObject({ status: YELLOW, ready: true });
    expect(health.shards.map(({ status }) => status)).toEqual([GREEN, YELLOW, GREEN, YELLOW]);
  });

  test('is YELLOW where reads of a replica fail, and not RED where only such a one is left', () => {
    const nodes = new Map(world(FULL).nodes).set('b', deaf('b'));
    expect(computeHealth(world(FULL, { nodes }))).toMatchObject({ status: YELLOW, ready: true });
    const alone = world({ b: FULL.b }, { nodes: new Map([['b', deaf('b')]]) });
    expect(computeHealth(alone)).toMatchObject({ status: YELLOW, ready: true });
  });

  test('is RED and unready where a shard is nowhere, and names the keyspace', () => {
    const health = computeHealth(
      world({ ...FULL, a: [], b: ['00001-v1', '00002-v1', '00003-v1'] }),
    );
    expect(health).toMatchObject({ status: RED, ready: false });
    expect(health.shards[0]).toMatchObject({ status: RED, uncovered: ['prices'] });
    expect(health.shards[2]).toMatchObject({ status: YELLOW });
  });

  test('misses the copies of dead nodes until these are removed', () => {
    const all = FULL.b;
    const dead = [1, 2, 3].reduce((node) => missed(node, -20_000, LIMITS), serving('c'));
    const nodes = new Map([
      ['b', serving('b')],
      ['c', dead],
    ]);
    expect(computeHealth(world({ b: all }, { nodes }))).toMatchObject({
      status: YELLOW,
      replicationEffective: 2,
      replicationLeast: 1,
    });
    nodes.delete('c');
    expect(computeHealth(world({ b: all }, { nodes }))).toMatchObject({ status: GREEN });
  });

  test('of a cluster that is drained as a whole says which copies are there', () => {
    const draining = new Set(['a', 'b', 'c']);
    const health = computeHealth(world(FULL, { draining, owners: [[], [], [], []] }));
    expect(health).toMatchObject({ status: YELLOW, replicationEffective: 2, replicationLeast: 2 });
    expect(health.shards.map(({ status }) => status)).toEqual([GREEN, GREEN, GREEN, GREEN]);
  });

  test('asks for no more replicas than there are nodes', () => {
    const all = FULL.b;
    expect(computeHealth(world({ b: all }))).toMatchObject({
      status: GREEN,
      replicationTarget: 2,
      replicationEffective: 1,
    });
  });

  test('does not count a copy whose holder was not given the manifest, or of an earlier run', () => {
    const strange = { ...holding('c', FULL.c), manifests: new Map() };
    const earlier = { ...holding('c', FULL.c), incarnation: 'c-0' };
    for (const holdings of [strange, earlier]) {
      const of = world(FULL, { holdings: new Map(world(FULL).holdings).set('c', holdings) });
      expect(computeHealth(of).status).toBe(YELLOW);
    }
  });

  test('without keyspaces, is ready with the first serving node and GREEN with all', () => {
    const none = { datasets: [] };
    expect(computeHealth(world({}, none))).toMatchObject({ status: RED, ready: false });
    expect(computeHealth(world({ a: [] }, none))).toMatchObject({ status: GREEN, ready: true });
    const nodes = new Map([
      ['a', serving('a')],
      ['b', known('b')],
    ]);
    expect(computeHealth(world({ a: [] }, { ...none, nodes }))).toMatchObject({
      status: YELLOW,
      ready: true,
    });
  });

  test.each([
    [GREEN, YELLOW, true],
    [YELLOW, GREEN, false],
    [RED, HealthStatus.UNSPECIFIED, true],
    [YELLOW, YELLOW, true],
  ])('%i is at least %i: %s', (status, wanted, expected) => {
    expect(isAtLeast(status, wanted)).toBe(expected);
  });
});

describe('routes', () => {
  test('list the holders that serve, owners in ring order', () => {
    expect(routes(world(FULL))).toEqual([
      ['a', 'b'],
      ['b', 'c'],
      ['a', 'b'],
      ['b', 'c'],
    ]);
  });

  test('name a node last whose reads fail, and show it as suspect', () => {
    const nodes = new Map(world(FULL).nodes).set('b', deaf('b'));
    const of = world(FULL, { nodes });
    expect(routes(of)).toEqual([
      ['a', 'b'],
      ['c', 'b'],
      ['a', 'b'],
      ['c', 'b'],
    ]);
    expect([...of.nodes.values()].map((node) => nodeState(of, node))).toEqual([
      NodeState.SERVING,
      NodeState.SUSPECT,
      NodeState.SERVING,
    ]);
  });

  test('leave out who is suspect or lacks the segment; keep a holder that is no owner, last', () => {
    const of = world({ ...FULL, a: ['00001-v1'], c: ['00000-v1', '00001-v1', '00003-v1'] });
    expect(routes(of)).toEqual([['b', 'c'], ['b', 'c', 'a'], ['b'], ['b', 'c']]);
    const nodes = new Map(of.nodes).set('b', suspect('b'));
    // No other node has it, and the suspect may well answer.
    expect(routes({ ...of, nodes })[2]).toEqual(['b']);
    expect(routes({ ...of, nodes })[0]).toEqual(['c']);
  });

  test('put a node with some keyspaces only behind complete ones', () => {
    const other = { ...dataset(), uid: asUid('ff'), name: 'other', ref: versionId('ff', 1) };
    const holdings = new Map(world(FULL).holdings).set('b', {
      ...holding('b', FULL.b),
      segments: new Map([
        [dataset().uid, new Set(FULL.b.map(asSegmentId))],
        [other.uid, new Set(FULL.b.map(asSegmentId))],
      ]),
      manifests: new Map([dataset().ref, other.ref].map((ref) => [ref, 0])),
    });
    const of = world(FULL, { datasets: [dataset(), other], holdings });
    expect(routes(of)[0]).toEqual(['b', 'a']);
  });
});

describe('placement', () => {
  test('is remembered for a membership and leaves out who is being drained', () => {
    const of = world(FULL);
    const placed = placeOwners(NO_PLACEMENT, of);
    expect(placeOwners(placed, { ...of, nowMs: 5 })).toBe(placed);
    const drained = placeOwners(placed, { ...of, draining: new Set(['b']) });
    expect(drained.owners.flat()).not.toContain('b');
    expect(drained.owners.every((owners) => owners.length === 2)).toBe(true);
  });
});
