import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemTime } from '../../../../base/clock.ts';
import { silentLogger } from '../../../../base/log.ts';
import type { EtcdApi, EtcdOperation } from '../../../../master/metadata/etcd/api.ts';
import { LargeValues } from '../../../../master/metadata/etcd/large-values.ts';
import { Standby } from '../../../../master/metadata/etcd/standby.ts';
import { MemoryEtcd } from '../../../../master/metadata/etcd/memory-etcd.ts';
import type { MemoryEtcdClient } from '../../../../master/metadata/etcd/memory-etcd.ts';
import { until } from '../../../support/process/stele-process.ts';
import { put } from '../entries.ts';
import { layout, openAsLeader } from './leading.ts';

/** Text that has to be cut into pieces: compression does not shorten it. */
function large(bytes = 400_000): string {
  return JSON.stringify({ text: randomBytes(bytes).toString('base64') });
}

/** A client, and how many pieces were asked for with it. */
function counted(store: MemoryEtcd): {
  readonly api: MemoryEtcdClient;
  readonly read: () => number;
} {
  const api = store.connect();
  const asked = vi.spyOn(api, 'transaction');
  const isPiece = ({ key, kind }: EtcdOperation): boolean =>
    kind === 'range' && key.startsWith(layout.pieces);
  const read = (): number =>
    asked.mock.calls.flatMap(([{ success }]) => success.filter(isPiece)).length;
  return { api, read };
}

async function led(): Promise<{
  readonly store: MemoryEtcd;
  readonly metadata: Awaited<ReturnType<typeof openAsLeader>>['metadata'];
}> {
  const store = new MemoryEtcd(systemTime);
  const { metadata } = await openAsLeader(store.connect());
  return { store, metadata };
}

function standbyOf(api: EtcdApi): { readonly standby: Standby; readonly values: LargeValues } {
  const values = new LargeValues(api, layout);
  const standby = new Standby({ api, layout, values, env: systemTime, log: silentLogger });
  onTestFinished(() => standby.stop());
  standby.start();
  return { standby, values };
}

test('a follower that is elected has read every large value, and reads no piece then', async () => {
  const { metadata, store } = await led();
  const texts = Array.from({ length: 5 }, () => large());
  for (const [at, text] of texts.entries()) await put(metadata, `k/${at}`, text);
  await put(metadata, 'small', '{"a":1}');
  const client = counted(store);
  const { standby, values } = standbyOf(client.api);
  await until('the values', () => values.size === texts.length);
  await put(metadata, 'k/0', (texts[0] = large()));
  await put(metadata, 'k/5', (texts[5] = large()));
  await until('the changes', () => values.size === 6 && client.read() === 2 * 7);
  standby.stop();
  const before = client.read();
  const next = await openAsLeader(client.api, store.connect(), values);
  const entries = await next.metadata.list('');
  expect(entries.map(({ key, value }) => [key, value])).toEqual([
    ...texts.map((text, at) => [`k/${at}`, text]),
    ['small', '{"a":1}'],
  ]);
  expect(client.read()).toBe(before);
});

test('one that is stopped while it lists the entries ends, and one that is started again goes on', async () => {
  const { metadata, store } = await led();
  await put(metadata, 'a', large());
  let answer: () => void = () => undefined;
  const asked = new Promise<'answered'>((resolve) => {
    answer = () => resolve('answered');
  });
  const { standby, values } = standbyOf(
    store.connect((call) => (call === 'range' ? asked : 'answered')),
  );
  standby.stop();
  answer();
  standby.start();
  await until('the value', () => values.size === 1);
});

test('it holds nothing that was replaced or deleted', async () => {
  const { metadata, store } = await led();
  for (const key of ['a', 'b', 'c']) await put(metadata, key, large());
  const { values } = standbyOf(store.connect());
  await until('the values', () => values.size === 3);
  await put(metadata, 'a', '"small"');
  await metadata.transaction([{ kind: 'delete', key: 'b' }]);
  await until('the rest', () => values.size === 1);
});

test('after a compaction that it has not seen, and while etcd is away, it reads again', async () => {
  const { metadata, store } = await led();
  await put(metadata, 'a', large());
  let isAway = true;
  const api = store.connect(() => (isAway ? 'refused' : 'answered'));
  const { values } = standbyOf(api);
  await put(metadata, 'b', large());
  isAway = false;
  await until('the values', () => values.size === 2);
  api.isReached = false;
  await put(metadata, 'c', large());
  store.compact();
  api.isReached = true;
  await put(metadata, 'd', '1');
  await until('what it has missed', () => values.size === 3);
});

test('a value that is damaged in etcd is told by its key, and what is right is kept', async () => {
  const { metadata, store } = await led();
  await put(metadata, 'a', large());
  const [piece] = store.keys().filter((key) => key.startsWith(layout.pieces));
  const success = [{ kind: 'put', key: piece ?? '', value: 'other' } as const];
  store.transaction({ compares: [], success });
  const values = new LargeValues(store.connect(), layout);
  const next = await openAsLeader(store.connect(), store.connect(), values);
  await expect(next.metadata.list('')).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringMatching(/catalog\/a in etcd is damaged.*another content/) as string,
  });
  expect(values.size).toBe(0);
});
