// The metadata store does not answer for a while: each change ends in bounded time, with what is
// known of it, and whatever the store has done by the time it answers is what the catalog goes on
// from.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { ControlPlane, until } from './control-plane.ts';

const LIMITS = { waitMsMax: 300, answerMsMax: 400 };
/** Bound for one change, including the delays of a busy machine. */
const BOUND_MS = 3_000;

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  plane.changeLimits = LIMITS;
  await plane.start();
  await plane.join('a', 'b');
});
afterEach(() => plane.close());

async function failure(change: Promise<unknown>): Promise<unknown> {
  const startedMs = performance.now();
  const thrown: unknown = await change.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(performance.now() - startedMs).toBeLessThan(BOUND_MS);
  return thrown;
}

const current = (): number | undefined =>
  plane.leader.current().keyspaces.find(({ name }) => name === 'prices')?.currentVersion;

describe.each([
  { isMade: true, what: 'has made the change' },
  { isMade: false, what: 'makes the change later' },
])('a store that hangs and $what', ({ isMade }) => {
  test('leaves the outcome open, and readers see the change once the store has answered', async () => {
    await plane.load('prices');
    await plane.load('prices');
    const end = plane.metadata.hang({ isMade });
    const rollback = failure(plane.operations.rollback({ keyspace: 'prices', to: 1 }));
    const keep = failure(plane.operations.setKeep({ keyspace: 'prices', keep: 5 }));
    expect(await keep).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await rollback).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(current()).toBe(2);
    // The heartbeats and their turns continued meanwhile.
    expect(plane.leader.world.nodes.get('a')?.liveness).toBe('SERVING');
    end();
    await until(() => current() === 1, 'the rollback in the view');
    expect((await plane.operations.setKeep({ keyspace: 'prices', keep: 5 })).keep).toBe(5);
  });

  test('commits a load once, however often it is asked for', async () => {
    const segments = plane.segments();
    const load = await plane.begin('prices');
    plane.push(load, segments);
    const end = plane.metadata.hang({ isMade });
    expect(await failure(plane.commit(load, segments))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await failure(plane.commit(load, segments))).toMatchObject({ code: 'UNAVAILABLE' });
    end();
    expect((await plane.commit(load, segments)).version).toBe(1);
    expect((await plane.commit(load, segments)).version).toBe(1);
    expect((await plane.load('prices')).version).toBe(2);
  });
});

test('a store that hangs and then refuses has changed nothing', async () => {
  await plane.load('prices');
  await plane.load('prices');
  const end = plane.metadata.hang({ isMade: false });
  const rollback = plane.operations.rollback({ keyspace: 'prices', to: 1 });
  expect(await failure(rollback)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  end(new SteleError('DISK_FULL', 'no room'));
  await plane.operations.setKeep({ keyspace: 'prices', keep: 5 });
  expect(current()).toBe(2);
});
