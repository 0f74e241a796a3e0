// Rare behaviour of etcd, played by a fake.

import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../base/log.ts';
import { EtcdClient } from '../../../../master/metadata/etcd/etcd-client.ts';
import { Revisions, hasOrderedProgress } from '../../../../master/metadata/etcd/watch-session.ts';
import { FakeEtcd, putEvent } from '../../../support/peers/fake-etcd.ts';
import type { FakeWatch } from '../../../support/peers/fake-etcd.ts';
import { WatchRecord } from '../../../support/peers/watch-record.ts';
import { until } from '../../../support/process/stele-process.ts';

const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/**
 * A watch from revision 5 on a fake of `version`; `stream` resolves to its nth stream, with the
 * watch created.
 */
async function watchFake(version?: string) {
  const fake = await FakeEtcd.start(version);
  const client = new EtcdClient({
    endpoints: [fake.endpoint],
    log: silentLogger,
    watchTickMs: 100,
  });
  ends.push(() => {
    client.close();
    fake.close();
  });
  const seen = new WatchRecord();
  client.watch('a', 'b', 5, seen.handlers);
  const request = async (nth: number): Promise<FakeWatch> => {
    await until(`stream ${nth}`, () => fake.streams[nth]?.created !== undefined);
    return fake.streams[nth]!;
  };
  const stream = async (nth: number): Promise<FakeWatch> => {
    const found = await request(nth);
    found.send({ watchId: 0, created: true });
    return found;
  };
  return { seen, request, stream };
}

describe('the stream of a watch', () => {
  test('is replaced when it is silent, and not while it answers pings', async () => {
    const { stream } = await watchFake();
    const first = await stream(0);
    for (const watchId of [1, 2]) {
      await until(`ping ${watchId}`, () => first.asked('createRequest') > watchId);
      first.send({ watchId, created: true });
      await until('the ping to be cancelled', () => first.asked('cancelRequest') === watchId);
      first.send({ watchId, canceled: true });
    }
    expect(first.requests[3]).toMatchObject({ value: { watchId: 1 } });
    await until('a third ping', () => first.asked('createRequest') > 3);
    expect((await stream(1)).created?.startRevision).toBe(5);
  });

  test('is replaced when it breaks, after the last revision that was complete', async () => {
    const { seen, stream } = await watchFake();
    const first = await stream(0);
    first.send({ revision: 6, events: [putEvent('a1', 5), putEvent('a1', 6)], fragment: true });
    await seen.reaches(5);
    first.fail('connection lost');
    const second = await stream(1);
    expect(second.created?.startRevision).toBe(6);
    second.send({ revision: 6, events: [putEvent('a1', 6)], fragment: true });
    second.send({ revision: 6, events: [putEvent('a2', 6)] });
    await seen.reaches(6);
    expect(seen.revisions.map(({ events }) => events.length)).toEqual([1, 2]);
  });

  test('is resumed after the progress that etcd reports by itself', async () => {
    const { stream } = await watchFake('3.4.0');
    const first = await stream(0);
    first.send({ watchId: 0, revision: 40 });
    first.fail('etcdserver: no leader');
    expect((await stream(1)).created?.startRevision).toBe(41);
  });

  test('is resumed after the progress that was requested, if its version orders that', async () => {
    const { stream } = await watchFake('3.5.8');
    const first = await stream(0);
    await until('a request of progress', () => first.asked('progressRequest') > 0);
    first.send({ watchId: -1, revision: 50 });
    first.fail('etcdserver: server stopped');
    expect((await stream(1)).created?.startRevision).toBe(51);
  });

  test('is not asked for progress if its version answers that out of order', async () => {
    const { stream } = await watchFake('3.4.23');
    const first = await stream(0);
    await until('a ping', () => first.asked('createRequest') > 1);
    first.send({ watchId: 1, created: true });
    await until('another ping', () => first.asked('createRequest') > 2);
    expect(first.asked('progressRequest')).toBe(0);
    first.send({ watchId: -1, revision: 50 });
    first.fail('etcdserver: server stopped');
    expect((await stream(1)).created?.startRevision).toBe(5);
  });

  test('is resumed when etcd cancels it without need, and ends the watch at a compaction', async () => {
    const { seen, stream } = await watchFake();
    (await stream(0)).send({ watchId: 0, canceled: true, cancelReason: 'too slow' });
    (await stream(1)).send({ watchId: 0, canceled: true, compactRevision: 5 });
    (await stream(2)).send({ watchId: 0, canceled: true, compactRevision: 6 });
    await until('the watch to end', () => seen.error !== undefined);
    expect(seen.error).toMatchObject({ code: 'CORRUPT' });
  });

  test('ends the watch when its user may not read the keys', async () => {
    const { seen, request } = await watchFake();
    const cancelReason = 'etcdserver: permission denied';
    (await request(0)).send({ watchId: -1, created: true, canceled: true, cancelReason });
    await until('the watch to end', () => seen.error !== undefined);
    expect(seen.error).toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  test('ends the watch when it belongs to another cluster', async () => {
    const { seen, stream } = await watchFake();
    const first = await stream(0);
    const header = { clusterId: '8', memberId: '1', revision: 9, raftTerm: 1 };
    first.send({ watchId: 0, header, events: [putEvent('a1', 9)] });
    await until('the watch to end', () => seen.error !== undefined);
    expect(seen.error).toMatchObject({ code: 'CONFLICT' });
    expect(seen.revisions).toEqual([]);
  });
});

test('revisions are complete at the next one, or at the end of an answer', () => {
  const revisions = new Revisions();
  const take = (isFragment: boolean, ...numbers: number[]): number[][] =>
    revisions
      .take(
        numbers.map((revision) => putEvent('k', revision)),
        isFragment,
      )
      .map(({ revision, events }) => [revision, events.length]);
  expect(take(true, 1, 1)).toEqual([]);
  expect(take(true, 1, 2)).toEqual([[1, 3]]);
  expect(take(true)).toEqual([]);
  expect(take(false)).toEqual([[2, 1]]);
  expect(take(false, 3, 4, 4)).toEqual([
    [3, 1],
    [4, 2],
  ]);
  expect(take(false)).toEqual([]);
});

test('progress is in order with the events since 3.4.25 and 3.5.8', () => {
  for (const version of ['3.4.25', '3.4.40', '3.5.8', '3.6.0', '3.7.0-rc.0', '4.0.0']) {
    expect(hasOrderedProgress(version)).toBe(true);
  }
  for (const version of ['', '3.3.30', '3.4.23', '3.4.24', '3.5.7']) {
    expect(hasOrderedProgress(version)).toBe(false);
  }
});
