// What each error of etcd means for reads, idempotent changes and writes. The first endpoint
// refuses, the second makes what it is asked.

import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../../base/log.ts';
import { EtcdClient } from '../../../../master/metadata/etcd/etcd-client.ts';
import { failureOf } from '../../../../master/metadata/etcd/outcomes.ts';
import { FakeEtcd } from '../../../support/peers/fake-etcd.ts';

async function refusing(code: number, details: string) {
  const [first, second] = await Promise.all([FakeEtcd.start(), FakeEtcd.start()]);
  first.refusal = { code, details };
  const endpoints = [first.endpoint, second.endpoint];
  const open = (...only: string[]): EtcdClient => {
    const client = new EtcdClient({
      endpoints: only.length > 0 ? only : endpoints,
      log: silentLogger,
      deadlineMs: only.length > 0 ? 300 : 5000,
    });
    onTestFinished(() => client.close());
    return client;
  };
  onTestFinished(() => {
    first.close();
    second.close();
  });
  return { first, second, open };
}

const write = (client: EtcdClient) =>
  client.transaction({ compares: [], success: [{ kind: 'put', key: 'a', value: '' }] });

test.each([
  [14, 'etcdserver: no leader'],
  [14, 'etcdserver: not capable'],
  [14, 'etcdserver: rpc not supported for learner'],
  [8, 'etcdserver: too many requests'],
  [2, 'raft proposal dropped'],
])('%i %s: was not made, and every call goes to the next endpoint', async (code, details) => {
  const { first, second, open } = await refusing(code, details);
  await write(open());
  await open().range('a');
  await open().compact(1);
  expect([first.calls, second.calls]).toEqual([3, 3]);
  await Promise.all([
    expect(write(open(first.endpoint))).rejects.toMatchObject({ code: 'UNAVAILABLE' }),
    expect(open(first.endpoint).compact(1)).rejects.toMatchObject({ code: 'UNAVAILABLE' }),
  ]);
});

test.each([
  [14, 'etcdserver: request timed out'],
  [14, 'etcdserver: request timed out, possibly due to previous leader failure'],
  [14, 'etcdserver: request timed out, possibly due to connection lost'],
  [14, 'etcdserver: server stopped'],
  [14, 'etcdserver: leader changed'],
  [1, 'etcdserver: request cancelled'],
  [4, 'context deadline exceeded'],
  [2, 'something that nobody has seen yet'],
  [13, 'Received RST_STREAM with code 2'],
])('%i %s: a write has an unknown outcome, and is not repeated', async (code, details) => {
  const { first, second, open } = await refusing(code, details);
  await expect(write(open())).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  expect([first.calls, second.calls]).toEqual([1, 0]);
  await open().range('a');
  await open().compact(1);
  expect([first.calls, second.calls]).toEqual([3, 2]);
  await Promise.all([
    expect(open(first.endpoint).range('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' }),
    expect(open(first.endpoint).compact(1)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' }),
  ]);
});

test.each([
  [3, 'etcdserver: duplicate key given in txn request', 'INVALID_ARGUMENT'],
  [7, 'etcdserver: permission denied', 'PERMISSION_DENIED'],
  [15, 'etcdserver: corrupt cluster', 'CORRUPT'],
  [12, 'unknown service etcdserverpb.KV', 'UNSUPPORTED'],
])('%i %s: is refused for good, with %s', async (code, details, refusal) => {
  const { first, second, open } = await refusing(code, details);
  await expect(write(open())).rejects.toMatchObject({ code: refusal });
  await expect(open().range('a')).rejects.toMatchObject({ code: refusal });
  expect([first.calls, second.calls]).toEqual([2, 0]);
});

test('a full database refuses reads and other calls, and leaves the outcome of a write unknown', async () => {
  const { second, open } = await refusing(8, 'etcdserver: mvcc: database space exceeded');
  await expect(write(open())).rejects.toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    cause: { code: 'DISK_FULL' },
  });
  await expect(open().range('a')).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(second.calls).toBe(0);
});

test('nothing listens: a write was certainly not made', async () => {
  const { first, open } = await refusing(14, '');
  first.close();
  await expect(write(open(first.endpoint))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('ECONNREFUSED') as string,
  });
});

test('endpoints are checked', () => {
  for (const endpoints of [[], ['etcd.example'], ['http://127.0.0.1:2379']]) {
    expect(() => new EtcdClient({ endpoints, log: silentLogger })).toThrow(/endpoint|HOST:PORT/);
  }
});

test('an error of Node.js, which is none of the service, is an unknown outcome with its words', () => {
  const failure = failureOf(new Error('write after end'), 'etcd:2379');
  expect(failure).toMatchObject({
    outcome: 'unknown',
    message: 'etcd at etcd:2379: write after end.',
  });
});
