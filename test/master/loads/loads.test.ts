// Loads at the master: one per keyspace, reported while they run and afterwards.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LoadState } from '../../../proto/gen/stele/v1/load.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import { ControlPlane, until } from '../control-plane.ts';

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  await plane.join('a', 'b');
});
afterEach(() => plane.close());

const report = (loadId: string, rows = 610_000) =>
  plane.loads.reportProgress({
    loadId,
    stage: 'parse',
    rows,
    bytesDone: 61,
    bytesTotal: 100,
    rejected: 2,
    shardsDone: 0,
    shardsTotal: 8,
  });
const list = async (keyspace = '') => (await plane.operations.listLoads({ keyspace })).loads;
const cancel = (loadId: string, reason = '') => plane.operations.cancelLoad({ loadId, reason });

describe('a load', () => {
  test('begins while it is not known whether any datanode serves, and ends once they are back', async () => {
    await plane.stop();
    await plane.start();
    const load = await plane.begin('prices');
    await until(() => report(load.loadId).targets?.nodes.length === 2, 'targets');
    const segments = plane.segments();
    plane.push({ ...load, targets: report(load.loadId).targets }, segments);
    expect((await plane.commit(load, segments)).version).toBe(1);
  });

  test('does not begin where all datanodes are down', async () => {
    for (const node of plane.network.nodes.values()) node.alive = false;
    const down = (id: string) => plane.leader.world.nodes.get(id)?.liveness === 'DOWN';
    await until(() => down('a') && down('b'), 'their death');
    await expect(plane.begin('prices')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('nowhere to load to') as string,
    });
  });
});

test('a load does not begin where all datanodes are being drained, and says so', async () => {
  for (const nodeId of ['a', 'b']) await plane.operations.drainNode(nodeId);
  await until(() => plane.leader.world.draining.size === 2, 'the drain of both');
  await expect(plane.begin('prices')).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/is being drained, .* `stele node resume [ab]`/) as string,
  });
  const request = { waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 };
  const { reasons, status } = await plane.operations.health(request);
  expect(status).toBe(HealthStatus.YELLOW);
  expect(reasons).toEqual([expect.stringMatching(/^every datanode .* `stele node resume [ab]`$/)]);
  await plane.operations.resumeNode('b');
  await until(() => plane.leader.world.draining.size === 1, 'the resume of one');
  await plane.begin('prices');
});

describe('a second load into a keyspace', () => {
  test('takes the place of one from the same work folder, which cannot be running any more', async () => {
    const first = await plane.begin('prices', { workToken: 'aa' });
    await expect(plane.begin('prices', { workToken: 'bb' })).rejects.toMatchObject({
      code: 'LOAD_IN_PROGRESS',
    });
    const second = await plane.begin('prices', { workToken: 'aa' });
    const states = (await list('prices')).map(({ loadId, state }) => [loadId, state]);
    expect(states).toContainEqual([first.loadId, LoadState.ABANDONED]);
    expect(states).toContainEqual([second.loadId, LoadState.RUNNING]);
  });

  test('is refused, and told which is running, whose it is and how far it has come', async () => {
    const { loadId } = await plane.begin('prices', { source: 'first.csv' });
    await expect(plane.begin('prices')).rejects.toMatchObject({
      code: 'LOAD_IN_PROGRESS',
      message: expect.stringMatching(
        /by me@here \(process 7\) is under way \(just begun\)/,
      ) as string,
    });
    report(loadId);
    await expect(plane.begin('prices')).rejects.toMatchObject({
      message: expect.stringMatching(
        new RegExp(`^Load ${loadId} of 'first.csv' .*parse: 610000 rows, 61% .*--cancel ${loadId}`),
      ) as string,
    });
    expect((await plane.begin('other')).loadId).not.toBe('');
  });

  test('takes the place of one whose loader is silent, which is then abandoned', async () => {
    const { loadId } = await plane.begin('prices');
    report(loadId, 5);
    plane.skippedMs += 10_000;
    const second = await plane.begin('prices');
    expect(await plane.operations.getLoad({ loadId })).toMatchObject({
      state: LoadState.ABANDONED,
      rows: 5,
      reason: expect.stringContaining(second.loadId) as string,
    });
    expect(report(loadId)).toMatchObject({ cancelled: true });
    expect(report(second.loadId)).toMatchObject({ cancelled: false });
  });
});

describe('what is told of loads', () => {
  test('is stage and numbers while one runs, and how it ended afterwards', async () => {
    const load = await plane.begin('prices', { source: 'a.csv' });
    expect(await list()).toMatchObject([
      { loadId: load.loadId, state: LoadState.RUNNING, stage: '', rows: 0, endedAt: '' },
    ]);
    report(load.loadId);
    expect(await list('prices')).toMatchObject([
      { stage: 'parse', rows: 610_000, rejected: 2, bytesDone: 61, owner: { pid: 7, user: 'me' } },
    ]);
    const segments = plane.segments();
    plane.push(load, segments);
    const { digest, records } = await plane.commit(load, segments);
    const [done] = await list();
    expect(done).toMatchObject({
      state: LoadState.COMMITTED,
      stage: '',
      rows: 610_000,
      version: 1,
      records,
      digest,
      silentMs: 0,
    });
    expect(done?.endedAt).not.toBe('');
    await expect(list('nix')).rejects.toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
    await expect(plane.operations.getLoad({ loadId: 'nix' })).rejects.toMatchObject({
      code: 'LOAD_NOT_FOUND',
    });
  });

  test('is that it was interrupted, at once, when its loader says so; and it is taken up again', async () => {
    const { loadId } = await plane.begin('a');
    report(loadId);
    await plane.loads.abortLoad({ loadId, reason: 'interrupted', resumable: true });
    expect((await list())[0]).toMatchObject({
      state: LoadState.INTERRUPTED,
      rows: 610_000,
      reason: 'interrupted',
    });
    expect((await plane.begin('a', { loadId })).loadId).toBe(loadId);
    expect((await list())[0]).toMatchObject({ state: LoadState.RUNNING, reason: '' });
    await plane.loads.abortLoad({ loadId, reason: 'interrupted', resumable: true });
    const other = await plane.begin('a');
    expect((await list()).map((load) => [load.loadId, load.state])).toEqual([
      [other.loadId, LoadState.RUNNING],
      [loadId, LoadState.ABANDONED],
    ]);
  });

  test('lists running loads first, then the newest; and says why one failed', async () => {
    const first = await plane.begin('a');
    await plane.loads.abortLoad({
      loadId: first.loadId,
      reason: 'DUPLICATE_KEY: twice',
      resumable: false,
    });
    await plane.load('b');
    const running = await plane.begin('a');
    const loads = await list();
    expect(loads[0]).toMatchObject({ loadId: running.loadId, keyspace: 'a' });
    expect(loads.map(({ state }) => state)).toEqual([
      LoadState.RUNNING,
      LoadState.COMMITTED,
      LoadState.FAILED,
    ]);
    expect(loads[2]).toMatchObject({ reason: 'DUPLICATE_KEY: twice' });
    // An ended load does not change.
    await plane.loads.abortLoad({ loadId: first.loadId, reason: 'late', resumable: false });
    expect((await list())[2]?.reason).toBe('DUPLICATE_KEY: twice');
  });

  test('survives a restart of the master, and a running load goes on', async () => {
    await plane.load('prices');
    const running = await plane.begin('prices');
    await plane.stop();
    await plane.start();
    expect((await list()).map(({ state }) => state)).toEqual([
      LoadState.RUNNING,
      LoadState.COMMITTED,
    ]);
    expect(report(running.loadId)).toMatchObject({ cancelled: false });
    expect((await list())[0]?.rows).toBe(610_000);
  });

  test('is bounded', async () => {
    for (let load = 0; load < 30; load++) {
      const { loadId } = await plane.begin('prices');
      await plane.loads.abortLoad({ loadId, reason: `${load}`, resumable: false });
    }
    const { loadId } = await plane.begin('prices');
    const loads = await list();
    expect(loads.length).toBeLessThanOrEqual(22);
    expect(loads.map(({ reason }) => reason)).toContain('29');
    expect(loads[0]?.loadId).toBe(loadId);
  });
});

test('of a dropped keyspace it is told that the loads went with it, and what was done to it', async () => {
  const events = async (keyspace: string): Promise<string[]> =>
    (await plane.operations.listEvents({ keyspace, limit: 0 })).events.map(({ what }) => what);
  await plane.load('prices');
  await plane.operations.dropKeyspace({ keyspace: 'prices' });
  await expect(list('prices')).rejects.toMatchObject({
    code: 'KEYSPACE_NOT_FOUND',
    message: expect.stringMatching(/'prices' any more, .* `stele events prices`/) as string,
  });
  expect(await events('prices')).toEqual(expect.arrayContaining(['load-committed', 'drop']));
  await expect(events('nix')).rejects.toMatchObject({
    code: 'KEYSPACE_NOT_FOUND',
    message: expect.stringMatching(/no keyspace 'nix', and nothing is recorded of/) as string,
  });
});

describe('a load that is cancelled', () => {
  test('learns it with its next report, and what it sent is deleted at once', async () => {
    await plane.load('prices');
    const load = await plane.begin('prices');
    const segments = plane.segments();
    plane.push(load, segments);
    report(load.loadId);
    expect(await cancel(load.loadId, 'wrong file')).toMatchObject({
      state: LoadState.CANCELLED,
      rows: 610_000,
      reason: 'wrong file',
    });
    expect(report(load.loadId)).toMatchObject({ cancelled: true, reason: 'wrong file' });
    const ids = segments.map(({ id }) => id);
    await until(() => plane.replicas(load.keyspaceUid, ids) === 0, 'its segments are gone');
    // Includes the segments in flight when it was cancelled.
    plane.push(load, segments);
    await until(() => plane.replicas(load.keyspaceUid, ids) === 0, 'and again');
    await expect(plane.commit(load, segments)).rejects.toMatchObject({ code: 'LOAD_REJECTED' });
    expect(plane.leader.current().keyspaces[0]).toMatchObject({ currentVersion: 1, versions: [1] });
    expect((await plane.load('prices')).version).toBe(2);
  });

  test('makes room for the next one at once, whose segments stay', async () => {
    const load = await plane.begin('prices');
    const segments = plane.segments();
    plane.push(load, segments);
    await cancel(load.loadId);
    const next = await plane.begin('prices');
    plane.push(next, segments);
    expect((await plane.commit(next, segments)).version).toBe(1);
    await until(() => plane.leader.current().ready, 'ready');
    expect(
      plane.replicas(
        next.keyspaceUid,
        segments.map(({ id }) => id),
      ),
    ).toBe(2);
  });

  test('cannot be taken up again, nor be cancelled twice; one that is over cannot either', async () => {
    const load = await plane.begin('prices');
    await cancel(load.loadId);
    await expect(cancel(load.loadId)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(cancel('nix')).rejects.toMatchObject({
      code: 'LOAD_NOT_FOUND',
      message: expect.stringContaining('`stele loads` lists') as string,
    });
    await expect(plane.begin('prices', { loadId: load.loadId })).rejects.toMatchObject({
      code: 'LOAD_NOT_FOUND',
    });
    await plane.load('prices');
    const [done] = await list();
    await expect(cancel(done?.loadId ?? '')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('committed') as string,
    });
  });

  test('with its keyspace is told so', async () => {
    await plane.load('prices');
    const load = await plane.begin('prices');
    await plane.operations.dropKeyspace({ keyspace: 'prices' });
    const listed = () => {
      try {
        return report(load.loadId).reason;
      } catch {
        return 'forgotten';
      }
    };
    expect(['the keyspace was dropped', 'forgotten']).toContain(listed());
  });
});
