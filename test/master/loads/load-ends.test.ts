// The metrics of loads that ended since the start of the master.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControlPlane } from '../control-plane.ts';

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  await plane.join('a', 'b');
});
afterEach(() => plane.close());

/** The counts other than 0. */
const counts = (): object =>
  Object.fromEntries([...plane.loadEnds.counts].filter(([, count]) => count > 0));

test('every result is there before any load has ended, so that a rate can be taken', () => {
  const results = ['committed', 'rejected', 'failed', 'cancelled', 'abandoned', 'current'];
  expect([...plane.loadEnds.counts.keys()]).toEqual(results);
  expect(counts()).toEqual({});
});

test('each load counts once, whichever way it ended', async () => {
  const load = await plane.begin('prices', { inputFingerprint: 'f' });
  expect(counts()).toEqual({});
  const segments = plane.segments();
  plane.push(load, segments);
  await plane.commit(load, segments);
  await plane.commit(load, segments);
  expect(counts()).toEqual({ committed: 1 });

  await plane.begin('prices', { inputFingerprint: 'f', skipIfCurrent: true });
  expect(counts()).toEqual({ committed: 1, current: 1 });

  const failed = await plane.begin('prices');
  const failure = { loadId: failed.loadId, reason: 'bad rows', resumable: false };
  await plane.loads.abortLoad(failure);
  await plane.loads.abortLoad(failure);
  const cancelled = await plane.begin('prices');
  await plane.operations.cancelLoad({ loadId: cancelled.loadId, reason: '' });
  // The second load replaces the first one and ends with its keyspace.
  await plane.begin('prices', { workToken: 'aa' });
  await plane.begin('prices', { workToken: 'aa' });
  await plane.operations.dropKeyspace({ keyspace: 'prices' });
  const others = { failed: 1, cancelled: 2, abandoned: 1 };
  expect(counts()).toEqual({ committed: 1, current: 1, ...others });
});

test('one that is interrupted has not ended; one that its gate refuses has', async () => {
  const load = await plane.begin('prices');
  await plane.loads.abortLoad({ loadId: load.loadId, reason: 'a signal', resumable: true });
  expect(counts()).toEqual({});
  const again = await plane.begin('prices', { loadId: load.loadId });
  const segments = plane.segments();
  plane.push(again, segments);
  const gate = {
    ...{ expectRows: 10 ** 9, expectTolerance: 0, minRows: undefined, maxShrink: undefined },
    requireKeys: [],
  };
  const commit = plane.commit(again, segments, { gate });
  await expect(commit).rejects.toMatchObject({ code: 'GATE_FAILED' });
  expect(counts()).toEqual({ rejected: 1 });
});
