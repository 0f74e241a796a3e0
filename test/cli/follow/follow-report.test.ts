import { expect, it } from 'vitest';
import {
  exitCodeOf,
  followMetrics,
  followText,
  hasChanged,
} from '../../../cli/follow/follow-report.ts';
import type { FollowState } from '../../../loader/follow/follow.ts';

const CURRENT: FollowState = {
  keyspace: 'prices',
  state: 'current',
  sourceVersion: 41,
  version: 7,
  digest: 'ab'.repeat(16),
  lagSeconds: 0,
  way: undefined,
  seconds: 0.1,
  reason: '',
};
const TAKEN: FollowState = { ...CURRENT, state: 'taken', way: 'segments', seconds: 2.34 };
const REJECTED: FollowState = {
  ...CURRENT,
  state: 'rejected',
  lagSeconds: 90,
  reason: 'too small',
};
const FAILED: FollowState = { ...CURRENT, state: 'failed', reason: 'nobody answers' };

it('a line is printed when something is new, and not when what was taken stays current', () => {
  expect(hasChanged(undefined, CURRENT)).toBe(true);
  expect(hasChanged(CURRENT, CURRENT)).toBe(false);
  expect(hasChanged(TAKEN, CURRENT)).toBe(false);
  expect(hasChanged(CURRENT, { ...TAKEN, sourceVersion: 42 })).toBe(true);
  expect(hasChanged(CURRENT, FAILED)).toBe(true);
  expect(hasChanged(FAILED, { ...FAILED, reason: 'refused' })).toBe(true);
});

it('the line says what became of which version', () => {
  expect(followText(TAKEN)).toBe(
    'prices: version 41 there is version 7 here now (as segments, 2.3 s)',
  );
  expect(followText(REJECTED)).toBe('prices: version 41 there is refused here: too small');
  expect(followText(FAILED)).toBe('prices: nobody answers');
});

it('one look ends with 0, with 3 for what waits for a person, with 1 for what failed', () => {
  expect(exitCodeOf([CURRENT, TAKEN])).toBe(0);
  expect(exitCodeOf([CURRENT, REJECTED])).toBe(3);
  expect(exitCodeOf([CURRENT, { ...CURRENT, state: 'held-back' }])).toBe(3);
  expect(exitCodeOf([REJECTED, FAILED])).toBe(1);
  expect(exitCodeOf([{ ...CURRENT, state: 'absent' }])).toBe(1);
});

it('the metrics are those of all keyspaces', () => {
  const text = followMetrics([CURRENT, { ...REJECTED, keyspace: 'geo' }], 1_790_000_000);
  const lines = text.split('\n').filter((line) => !line.startsWith('#') && line !== '');
  expect(lines).toEqual([
    'stele_follow_lag_seconds{keyspace="prices"} 0',
    'stele_follow_lag_seconds{keyspace="geo"} 90',
    'stele_follow_source_version{keyspace="prices"} 41',
    'stele_follow_source_version{keyspace="geo"} 41',
    'stele_follow_rejected{keyspace="prices"} 0',
    'stele_follow_rejected{keyspace="geo"} 1',
    'stele_follow_failing{keyspace="prices"} 0',
    'stele_follow_failing{keyspace="geo"} 0',
    'stele_follow_looked_timestamp_seconds{keyspace="prices"} 1790000000',
    'stele_follow_looked_timestamp_seconds{keyspace="geo"} 1790000000',
  ]);
});
