import { expect, test } from 'vitest';
import type { Health } from '../../../console/api/shapes.ts';
import { mergeEvents } from '../../../console/state/merge-events.ts';
import { pauseMs } from '../../../console/state/pause.ts';
import { hasRight } from '../../../console/state/rights.ts';
import { healthSentence, troublesOf } from '../../../console/state/sentences.ts';
import { HEALTH, KEYSPACE, LOAD, NODE } from '../samples.ts';

const down: Health['nodes'][number] = { ...NODE, id: 'node-2', state: 'DOWN', silent_ms: 12_000 };
const DEGRADED: Health = {
  ...HEALTH,
  status: 'yellow',
  nodes: [NODE, { ...NODE, id: 'node-1' }, down],
  shards: { ...HEALTH.shards, under_replicated: 5 },
};

test('health is one sentence', () => {
  expect(healthSentence(HEALTH)).toBe(
    'All 8 shards have their 2 copies; 3 of 3 datanodes serving.',
  );
  expect(healthSentence(DEGRADED)).toBe(
    'Every key can be read; 5 of 8 shards have fewer than 2 copies; 2 of 3 datanodes serving.',
  );
  const uncovered = [{ shard: 3, slots: [0, 1] as const, keyspaces: ['geo'] }];
  expect(
    healthSentence({ ...HEALTH, status: 'red', shards: { ...HEALTH.shards, uncovered } }),
  ).toMatch(/^1 shard of 8 cannot be read/);
  expect(healthSentence({ ...HEALTH, nodes: [] })).toBe('No datanode has joined yet.');
  const no_leader = { reason: 'No master leads.', since: null };
  expect(healthSentence({ ...HEALTH, no_leader })).toBe('No master leads.');
});

test('what is wrong comes with what is done about it', () => {
  expect(troublesOf(HEALTH, [KEYSPACE], [LOAD])).toEqual([]);
  expect(troublesOf(DEGRADED)).toEqual([
    {
      id: 'down node-2',
      level: 'bad',
      what: 'Datanode node-2 has not answered for 12 s.',
      doing: 'Reads go to other copies. After the repair delay its shards are copied to others.',
    },
  ]);
  const doing = (health: Health): string => troublesOf(health)[0]?.doing ?? '';
  expect(doing({ ...DEGRADED, copies: { running: 3, failing: 0 } })).toMatch(
    /3 copies in progress/,
  );
  const repaired = { ...DEGRADED, shards: { ...DEGRADED.shards, under_replicated: 0 } };
  expect(doing(repaired)).toMatch(/Other datanodes have all of its shards/);
});

test('the worst comes first', () => {
  const uncovered = [{ shard: 3, slots: [0, 1] as const, keyspaces: ['geo'] }];
  const repairing = {
    from: 'RUNNING',
    error: 'a disk is full',
    attempts: 3,
    next_retry_at: '',
    needs_person: true,
  };
  const rejected = { ...LOAD, state: 'REJECTED', reason: 'too few rows' };
  const troubles = troublesOf(
    { ...HEALTH, copies: { running: 0, failing: 2 }, shards: { ...HEALTH.shards, uncovered } },
    [{ ...KEYSPACE, repairing }],
    [rejected, { ...rejected, id: 'older' }],
  );
  expect(troubles.map(({ id, level }) => [level, id])).toEqual([
    ['bad', 'uncovered'],
    ['bad', 'keyspace geo'],
    ['warn', 'copies'],
    ['warn', 'load 0000000000000000'],
  ]);
});

test('rights are those on everything, or on the keyspace', () => {
  const session = {
    auth: true,
    user: 'alice',
    rights: ['read'] as const,
    keyspaces: [{ name: 'geo', rights: ['read', 'load'] as const }],
  };
  expect([
    hasRight(session, 'read'),
    hasRight(session, 'load'),
    hasRight(session, 'load', 'geo'),
    hasRight(session, 'load', 'prices'),
    hasRight(session, 'read', 'prices'),
  ]).toEqual([true, false, true, false, true]);
});

test('a hidden page and a silent server are asked rarely', () => {
  expect(pauseMs(1000, false, 0)).toBe(1000);
  expect(pauseMs(1000, true, 0)).toBe(15_000);
  expect(pauseMs(5000, true, 0)).toBe(60_000);
  expect([1, 2, 3, 4, 50].map((failures) => pauseMs(1000, false, failures))).toEqual([
    2000, 4000, 8000, 10_000, 10_000,
  ]);
});

test('events are listed once, newest first', () => {
  const event = (number: number) => ({
    number,
    at: '',
    what: 'drain',
    keyspace: null,
    node: null,
    load: null,
    from: null,
    to: null,
    reason: null,
    door: 'http',
    address: null,
    who: null,
  });
  const merged = mergeEvents([event(3), event(1)], [event(4), event(3)]);
  expect(merged.map(({ number }) => number)).toEqual([4, 3, 1]);
});
