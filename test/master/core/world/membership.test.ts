import { describe, expect, test } from 'vitest';
import { NodeState } from '../../../../proto/gen/stele/v1/view.ts';
import { answered, isMember, missed } from '../../../../master/core/world/membership.ts';
import type { NodeStatus } from '../../../../master/core/world/membership.ts';
import { LIMITS, heartbeat, known, serving } from '../world-fixture.ts';

function missedTimes(node: NodeStatus, count: number, nowMs: number): NodeStatus {
  let result = node;
  for (let i = 0; i < count; i++) result = missed(result, nowMs, LIMITS);
  return result;
}

describe('membership', () => {
  test.each([
    [1, 'SUSPECT'],
    [2, 'SUSPECT'],
    [3, 'DOWN'],
    [50, 'DOWN'],
  ])('a serving node is, after %i misses, %s', (misses, liveness) => {
    expect(missedTimes(serving('a'), misses, 0).liveness).toBe(liveness);
  });

  test.each([
    [3, 'INITIALIZING'],
    [9, 'INITIALIZING'],
    [10, 'DOWN'],
  ])('a node that verifies its files is, after %i misses, %s', (misses, liveness) => {
    const node = answered(known('a'), heartbeat('a', NodeState.INITIALIZING), 0);
    expect(missedTimes(node, misses, 0).liveness).toBe(liveness);
  });

  test('a node leaves the placement only when it was DOWN for the repair delay', () => {
    const suspect = missedTimes(serving('a'), 2, 1_000);
    expect(isMember(suspect, 99_000)).toBe(true);
    const down = missedTimes(suspect, 1, 1_000);
    expect(isMember(down, 10_999)).toBe(true);
    expect(isMember(down, 11_000)).toBe(false);
    expect(isMember(missedTimes(down, 7, 10_000), 11_000)).toBe(false);
  });

  test('an answer brings a node back, and with a new incarnation as a new run', () => {
    const down = missedTimes(serving('a'), 5, 0);
    const back = answered(down, heartbeat('a', NodeState.SERVING, 'a-2'), 60_000);
    expect(back).toMatchObject({ liveness: 'SERVING', misses: 0, incarnation: 'a-2' });
    expect(isMember(back, 60_000)).toBe(true);
  });

  test('a master that just started gives a silent node the whole delay', () => {
    const silent = missedTimes(known('a', 5_000), 3, 5_100);
    expect(silent.liveness).toBe('DOWN');
    expect(isMember(silent, 15_000)).toBe(true);
    expect(isMember(silent, 15_100)).toBe(false);
  });
});
