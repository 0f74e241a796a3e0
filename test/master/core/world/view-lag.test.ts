import { describe, expect, test } from 'vitest';
import { raiseEpoch } from '../../../../master/catalog/cluster-transitions.ts';
import { beginControl } from '../../../../master/core/control-state.ts';
import { computeHealth } from '../../../../master/core/serving/health.ts';
import { answered, missed } from '../../../../master/core/world/membership.ts';
import type { NodeStatus } from '../../../../master/core/world/membership.ts';
import { lateNodes, noteLagging } from '../../../../master/core/world/view-lag.ts';
import type { LaggingNodes } from '../../../../master/core/world/view-lag.ts';
import { HealthStatus, NodeState } from '../../../../proto/gen/stele/v1/view.ts';
import { ScenarioCluster } from '../scenario-cluster.ts';
import { FULL, LIMITS, heartbeat, known, serving, world } from '../world-fixture.ts';

const LEADER = { epoch: 1, term: 'now' };

/** The views of this start that nodes have taken: `revisions` by id. */
function applied(revisions: Record<string, number>, nodes?: readonly NodeStatus[]) {
  const statuses = nodes ?? Object.keys(revisions).map(serving);
  return {
    nodes: new Map(statuses.map((node) => [node.id, node])),
    applied: new Map(
      Object.entries(revisions).map(([id, revision]) => [id, { incarnation: `${id}-1`, revision }]),
    ),
  };
}

const lateAt = (
  state: ReturnType<typeof applied>,
  behind: LaggingNodes,
  nowMs: number,
): string[] => [...lateNodes({ ...state, behind }, LEADER, nowMs)];

describe('a datanode is late', () => {
  test('where it lacks a view for three seconds, until it has the present one', () => {
    const state = applied({ a: 4, b: 5 });
    let behind = noteLagging(new Map(), state, 5, 0);
    expect(lateAt(state, behind, 2_999)).toEqual([]);
    // Another view in between gives it no more time.
    behind = noteLagging(behind, state, 6, 2_000);
    expect(lateAt(applied({ a: 4, b: 6 }), behind, 3_000)).toEqual(['a']);
    expect(lateAt(applied({ a: 6, b: 6 }), behind, 9_000)).toEqual([]);
  });

  test('never where it takes each view in time, however often they change', () => {
    let behind: LaggingNodes = new Map();
    for (let revision = 1; revision < 100; revision++) {
      behind = noteLagging(behind, applied({ a: revision - 1 }), revision, revision * 1_000);
      expect(lateAt(applied({ a: revision - 1 }), behind, (revision + 1) * 1_000)).toEqual([]);
    }
  });

  test('at once where it goes by the view of another start, and has none of this one', () => {
    const beat = { ...heartbeat('a', NodeState.SERVING), viewTerm: 'before' };
    const of = (report: typeof beat) => [answered(known('a'), report, 0)];
    const none = { viewEpoch: 0, viewRevision: 0, viewTerm: '' };
    expect(lateAt(applied({}, of(beat)), new Map(), 0)).toEqual(['a']);
    expect(lateAt(applied({ a: 1 }, of(beat)), new Map(), 0)).toEqual([]);
    expect(lateAt(applied({}, of({ ...beat, viewTerm: 'now' })), new Map(), 0)).toEqual([]);
    expect(lateAt(applied({}, of({ ...beat, ...none })), new Map(), 0)).toEqual([]);
  });

  test('where it was away, as soon as it is back', () => {
    const away = [1, 2, 3].reduce((node) => missed(node, 0, LIMITS), serving('a'));
    const behind = noteLagging(new Map(), applied({ a: 4 }, [away]), 5, 0);
    expect(lateAt(applied({ a: 4 }, [away]), behind, 60_000)).toEqual([]);
    expect(lateAt(applied({ a: 4 }), behind, 60_000)).toEqual(['a']);
  });

  test('and the cluster is YELLOW, with data or without', () => {
    for (const more of [{}, { datasets: [] }]) {
      expect(computeHealth(world(FULL, more)).status).toBe(HealthStatus.GREEN);
      const late = new Set(['a']);
      expect(computeHealth(world(FULL, { ...more, late }))).toMatchObject({
        status: HealthStatus.YELLOW,
        ready: true,
      });
    }
  });
});

describe('a cluster whose catalog is an older copy', () => {
  const cluster = (): ScenarioCluster => {
    const one = new ScenarioCluster({ shards: 4, replication: 2, repairDelayMs: 10_000 });
    for (const id of ['a', 'b']) one.join(id, id, '');
    return one;
  };
  const statusAfter = (one: ScenarioCluster, ms: number): HealthStatus => {
    one.nowMs += ms;
    for (const node of one.nodes.values()) one.takeView(node);
    one.turn();
    return one.state.health.status;
  };

  test('is not GREEN before datanodes that it does not know had the time to register', () => {
    const one = cluster();
    expect(statusAfter(one, 0)).toBe(HealthStatus.GREEN);
    one.state = beginControl(one.state.catalog, { ...one.settings, restored: true }, one.nowMs);
    for (const record of one.state.catalog.node.values()) one.dispatch({ kind: 'known', record });
    for (const node of one.nodes.values()) one.heartbeat(node);
    expect(statusAfter(one, 5_999)).toBe(HealthStatus.YELLOW);
    expect(statusAfter(one, 1)).toBe(HealthStatus.GREEN);
  });

  test('and where that turns out later, from then on', () => {
    const one = cluster();
    expect(statusAfter(one, 60_000)).toBe(HealthStatus.GREEN);
    one.change((state) => raiseEpoch(state, 7));
    expect(statusAfter(one, 5_999)).toBe(HealthStatus.YELLOW);
    expect(statusAfter(one, 1)).toBe(HealthStatus.GREEN);
  });
});
