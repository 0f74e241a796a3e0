import { expect, test } from 'vitest';
import { canLoad, loadTargets } from '../../../../master/core/questions/load-targets.ts';
import { missed } from '../../../../master/core/world/membership.ts';
import type { NodeStatus } from '../../../../master/core/world/membership.ts';
import type { HeartbeatResponse, NodeStats } from '../../../../proto/gen/stele/v1/datanode.ts';
import { FULL, full, LIMITS, serving, world } from '../world-fixture.ts';

/** Node ids by shard. */
function targets(changed: readonly NodeStatus[] = [], replication = 2): string[][] {
  const of = world({ ...FULL, d: [] });
  const nodes = new Map(of.nodes);
  for (const node of changed) nodes.set(node.id, node);
  const { nodes: named, owners } = loadTargets({ ...of, nodes }, replication);
  return owners.map((route) => route.nodes.map((index) => named[index]?.id ?? ''));
}

test('a load goes to the owners that serve', () => {
  expect(targets()).toEqual([
    ['a', 'b'],
    ['b', 'c'],
    ['a', 'b'],
    ['b', 'c'],
  ]);
  expect(targets([missed(serving('b'), 0, LIMITS)])).toEqual([['a'], ['c'], ['a'], ['c']]);
});

test('a load begins while all nodes are in doubt, and not where all are down or leave', () => {
  const of = world({ a: [], b: [] });
  const all = (status: NodeStatus) => ({ ...of, nodes: new Map([[status.id, status]]) });
  const late = missed(serving('a'), 0, LIMITS);
  expect(canLoad(all(late))).toBe(true);
  expect(canLoad(all({ ...late, liveness: 'UNKNOWN' }))).toBe(true);
  expect(canLoad(all({ ...late, liveness: 'INITIALIZING' }))).toBe(false);
  const silent = Array.from({ length: LIMITS.downMisses }).reduce<NodeStatus>(
    (node) => missed(node, 0, LIMITS),
    late,
  );
  expect(canLoad(all(silent))).toBe(false);
  expect(canLoad({ ...of, draining: new Set(['a', 'b']) })).toBe(false);
});

test('in the place of an owner with a full disk come the others in turn', () => {
  expect(targets([full('b')])).toEqual([
    ['a', 'c'],
    ['d', 'c'],
    ['a', 'c'],
    ['d', 'c'],
  ]);
});

test('an owner with a full disk stays where nobody else can take its segments', () => {
  expect(targets([full('b'), full('c'), full('d')])).toEqual([
    ['a', 'b'],
    ['a', 'c'],
    ['a', 'b'],
    ['a', 'c'],
  ]);
});

test('tells which of the nodes are being read', () => {
  const of = world({ ...FULL, d: [] });
  const nodes = new Map(of.nodes);
  for (const [id, lookupsPerSecond] of [
    ['a', 19],
    ['b', 20],
  ] as const) {
    const node = serving(id);
    const stats = { ...node.report?.stats, lookupsPerSecond } as NodeStats;
    nodes.set(id, { ...node, report: { ...node.report, stats } as HeartbeatResponse });
  }
  const { nodes: named, readNodes } = loadTargets({ ...of, nodes }, 2);
  expect(readNodes.map((index) => named[index]?.id)).toEqual(['b']);
});
