// The tier of a keyspace, from the operator's word to the datanodes' reports.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { getRecords } from '../../master/operations/backup-records.ts';
import { Tier } from '../../proto/gen/stele/v1/view.ts';
import { ControlPlane, SHARDS, until } from './control-plane.ts';

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
});
afterEach(() => plane.close());

const { DISK, MEMORY } = Tier;
const inView = () => plane.leader.current().keyspaces[0]?.tier;
const summary = async () => (await plane.operations.listKeyspaces()).keyspaces[0];
const setTier = (tier: Tier) => plane.operations.setTier({ keyspace: 'prices', tier });
/** Every datanode has reported with the present view. */
const settled = async () => {
  const known = [...plane.leader.catalog.state.keyspace.values()];
  await until(() => known.every((one) => plane.leader.tierProgress(one) === undefined), 'settled');
};

test('a change says what is to be moved, once, and is in the view and in a backup', async () => {
  await plane.join('a', 'b');
  await plane.load('prices');
  await plane.load('prices');
  const segments = 2 * SHARDS;
  expect(await setTier(DISK)).toEqual({
    tier: DISK,
    changed: true,
    segments,
    bytes: 100 * segments,
  });
  expect(inView()).toBe(DISK);
  expect(await setTier(DISK)).toEqual({ tier: DISK, changed: false, segments: 0, bytes: 0 });
  const records = getRecords(plane.leader, { keyspaces: [] });
  expect(records.keyspaces).toMatchObject([{ name: 'prices', tier: DISK }]);
  await plane.load('prices');
  expect(inView()).toBe(DISK);
  expect(await setTier(MEMORY)).toMatchObject({ tier: MEMORY, changed: true });
  expect(inView()).toBeUndefined();
});

test('what the datanodes have still to move is shown until it is done', async () => {
  const [a, b] = await plane.join('a', 'b');
  const { uid } = await plane.load('prices');
  const move = { keyspaceUid: uid, segmentsLeft: 3, bytesLeft: 300, failure: '' };
  a!.tierMoves = [move];
  b!.tierMoves = [{ ...move, failure: 'the disk is full' }];
  await setTier(DISK);
  const keyspace = [...plane.leader.catalog.state.keyspace.values()][0]!;
  await until(() => plane.leader.tierProgress(keyspace)?.segmentsLeft === 6, 'both have reported');
  expect((await summary())?.moving).toEqual({
    ...{ segmentsLeft: 6, bytesLeft: 600, nodesUnknown: 0 },
    failure: 'datanode b: the disk is full',
  });
  a!.tierMoves = [];
  b!.tierMoves = [];
  await settled();
  expect(await summary()).toMatchObject({ tier: DISK, moving: undefined });
});

test('a suspended keyspace has nothing to move now, and is resumed into its tier', async () => {
  await plane.join('a', 'b');
  await plane.load('prices');
  await plane.operations.suspendKeyspace({ keyspace: 'prices' });
  expect(await setTier(DISK)).toMatchObject({ changed: true, segments: 0, bytes: 0 });
  await plane.operations.resumeKeyspace({ keyspace: 'prices' });
  expect(inView()).toBe(DISK);
});

test('an unknown tier and an unknown keyspace are refused', async () => {
  await plane.join('a', 'b');
  await plane.load('prices');
  await expect(setTier(7 as Tier)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: 'This master does not know tier 7, only memory and disk.',
  });
  const other = plane.operations.setTier({ keyspace: 'other', tier: DISK });
  await expect(other).rejects.toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
});

test('a load sets it as it begins, of a new keyspace and of one that is there', async () => {
  await plane.join('a', 'b');
  const first = await plane.begin('prices', { tier: DISK });
  expect(inView()).toBe(DISK);
  const segments = plane.segments();
  plane.push(first, segments);
  await plane.commit(first, segments);
  // A load without a tier leaves it, and one that fails has changed it.
  const second = await plane.begin('prices');
  expect(inView()).toBe(DISK);
  await plane.loads.abortLoad({ loadId: second.loadId, reason: 'bad rows', resumable: false });
  const third = await plane.begin('prices', { tier: MEMORY });
  await plane.loads.abortLoad({ loadId: third.loadId, reason: 'bad rows', resumable: false });
  expect(inView()).toBeUndefined();
  await settled();
});

test('a load that is resumed, or has nothing to do, sets it as well', async () => {
  await plane.join('a', 'b');
  const input = { inputFingerprint: 'input', skipIfCurrent: true };
  const { loadId } = await plane.begin('prices', input);
  const resumed = await plane.begin('prices', { ...input, loadId, tier: DISK });
  expect([resumed.loadId, inView()]).toEqual([loadId, DISK]);
  const segments = plane.segments();
  plane.push(resumed, segments);
  await plane.commit(resumed, segments);
  const again = await plane.begin('prices', { ...input, tier: MEMORY });
  expect([again.alreadyCurrent, inView()]).toEqual([true, undefined]);
});

test('it survives a restart of the master', async () => {
  await plane.join('a', 'b');
  await plane.load('prices');
  await setTier(DISK);
  await plane.stop();
  await plane.start();
  expect(inView()).toBe(DISK);
  expect(await summary()).toMatchObject({ tier: DISK });
  await settled();
});
