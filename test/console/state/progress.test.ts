import { expect, test } from 'vitest';
import type { Health } from '../../../console/api/shapes.ts';
import { ProgressWatch } from '../../../console/state/progress.ts';
import { bytesPerSecond, loadJobs, stagesOf } from '../../../console/state/load-progress.ts';
import { HEALTH, LOAD, NODE } from '../samples.ts';

const missing = (under_replicated: number, running = 2): Health => ({
  ...HEALTH,
  copies: { running, failing: 0 },
  shards: { ...HEALTH.shards, under_replicated },
});

test('a repair has percent, rate and time left as soon as it moves', () => {
  const watch = new ProgressWatch();
  expect(watch.look(missing(40, 0), 0)).toMatchObject([
    { title: 'Repair: waiting to begin', percent: 0, perSecond: null, secondsLeft: null },
  ]);
  expect(watch.look(missing(30), 5000)).toMatchObject([
    { percent: 25, perSecond: 2, left: 30, secondsLeft: 15 },
  ]);
  expect(watch.look(missing(0), 6000)).toEqual([]);
  // Another repair begins from nothing.
  expect(watch.look(missing(10), 7000)).toMatchObject([{ percent: 0, perSecond: null }]);
});

test('a repair that grows counts from the most', () => {
  const watch = new ProgressWatch();
  watch.look(missing(10), 0);
  watch.look(missing(20), 1000);
  expect(watch.look(missing(15), 2000)).toMatchObject([{ percent: 25 }]);
});

test('drains and starts are jobs, too', () => {
  const nodes = [
    { ...NODE, id: 'a', state: 'DRAINING' as const, drain_left: 6 },
    { ...NODE, id: 'b', state: 'INITIALIZING' as const, progress: 0.25 },
    { ...NODE, id: 'c', state: 'DRAINING' as const, drain_left: null },
  ];
  const jobs = new ProgressWatch().look({ ...HEALTH, nodes }, 0);
  expect(jobs).toMatchObject([
    { id: 'drain a', percent: 0, left: 6, unit: 'copies' },
    { id: 'start b', percent: 25, unit: 'percent' },
  ]);
});

test('a load goes through its stages', () => {
  expect(stagesOf(LOAD).map(({ is, share }) => [is, share])).toEqual([
    ['now', 0.25],
    ['to come', 0],
    ['to come', 0],
  ]);
  const building = { ...LOAD, stage: 'build', shards_done: 4 };
  expect(stagesOf(building).map(({ is, share }) => [is, share])).toEqual([
    ['done', 1],
    ['now', 0.5],
    ['to come', 0],
  ]);
  expect(stagesOf({ ...LOAD, stage: null }).map(({ is }) => is)).toEqual(Array(3).fill('to come'));
});

test('a running load is a job, and an ended one is not', () => {
  const now = Date.parse(LOAD.started_at) + 10_000;
  expect(loadJobs([LOAD, { ...LOAD, state: 'COMMITTED' }], now)).toMatchObject([
    { title: 'Load of geo: parse', percent: 25, secondsLeft: 30 },
  ]);
  expect(loadJobs([{ ...LOAD, stage: 'commit' }], now)[0]).toMatchObject({ percent: null });
  expect(bytesPerSecond(LOAD, now)).toBe(25);
});
