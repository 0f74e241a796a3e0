import { describe, expect, test } from 'vitest';
import { missed } from '../../../../master/core/world/membership.ts';
import {
  isSettled,
  shardBits,
  unansweredShards,
} from '../../../../master/core/serving/readiness.ts';
import { shardsText } from '../../../../proto/view-words.ts';
import { FULL, LIMITS, UID, holding, known, serving, world } from '../world-fixture.ts';

const WAIT_UNTIL_MS = 10_000;

describe('a master has heard of everything', () => {
  test('when every known node has told what it has', () => {
    expect(isSettled(world(FULL), WAIT_UNTIL_MS)).toBe(true);
    const nodes = new Map(world(FULL).nodes).set('d', known('d'));
    expect(isSettled(world(FULL, { nodes }), WAIT_UNTIL_MS)).toBe(false);
    expect(isSettled(world({}), WAIT_UNTIL_MS)).toBe(false);
  });

  test('when a silent one is out for its repair delay', () => {
    const silent = [1, 2, 3].reduce((node) => missed(node, 0, LIMITS), serving('c'));
    const nodes = new Map(world(FULL).nodes).set('c', silent);
    expect(isSettled(world(FULL, { nodes, nowMs: 9_999 }), WAIT_UNTIL_MS)).toBe(false);
    expect(isSettled(world(FULL, { nodes, nowMs: 10_000 }), WAIT_UNTIL_MS)).toBe(true);
  });

  test('when one that does not get in step was waited for', () => {
    const holdings = new Map(world(FULL).holdings).set('c', {
      ...holding('c', FULL.c),
      manifests: new Map(),
    });
    expect(isSettled(world(FULL, { holdings }), WAIT_UNTIL_MS)).toBe(false);
    expect(isSettled(world(FULL, { holdings, nowMs: 10_000 }), WAIT_UNTIL_MS)).toBe(true);
  });
});

test('the shards that nobody can answer for are told as bits', () => {
  const of = world({ b: FULL.a, c: ['00001-v1'] });
  const shards = unansweredShards(of, UID);
  expect(shards).toEqual([3]);
  expect(shardBits(shards, 4)).toEqual(Buffer.from([0b1000]));
  expect(shardsText(shardBits([0, 1, 2, 9, 15], 16))).toBe('0-2, 9, 15');
});
