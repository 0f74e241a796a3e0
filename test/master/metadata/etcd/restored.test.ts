// The mark of a catalog that came from a backup, in etcd.

import { expect, test } from 'vitest';
import { systemTime } from '../../../../base/clock.ts';
import type { EtcdEvent } from '../../../../master/metadata/etcd/api.ts';
import { isOfRestore } from '../../../../master/metadata/etcd/stored-catalog.ts';
import type { Entry } from '../../../../master/metadata/port.ts';
import { MemoryEtcd } from '../../../../master/metadata/etcd/memory-etcd.ts';
import type { CallFate } from '../../../../master/metadata/etcd/memory-etcd.ts';
import { put } from '../entries.ts';
import { layout, openAsLeader } from './leading.ts';

const ENTRIES: readonly Entry[] = [{ key: 'a', value: '1', revision: 1 }];

async function restored(): Promise<MemoryEtcd> {
  const store = new MemoryEtcd(systemTime);
  const { metadata } = await openAsLeader(store.connect());
  await metadata.putAll(ENTRIES, true);
  await metadata.close();
  return store;
}

test('each leader sees it until one commits a change', async () => {
  const store = await restored();
  for (let leaders = 0; leaders < 2; leaders++) {
    const { metadata } = await openAsLeader(store.connect());
    expect(metadata.restored).toBe(true);
    await metadata.transaction([]);
    await metadata.transaction([{ kind: 'check', key: 'a', expect: 99 }]);
    expect(metadata.restored).toBe(true);
  }
  const { metadata } = await openAsLeader(store.connect());
  await put(metadata, 'a', '2');
  expect(metadata.restored).toBe(false);
  expect((await openAsLeader(store.connect())).metadata.restored).toBe(false);
});

test.each([1, 200])(
  'it ends in the transaction of the change, of %d steps, and in no other',
  async (steps) => {
    const store = await restored();
    const { metadata } = await openAsLeader(store.connect());
    const from = store.revision + 1;
    const seen: (readonly EtcdEvent[])[] = [];
    store.connect().watch('/', '0', from, {
      onEvents: (events) => seen.push(events),
      onEnd: () => undefined,
    });
    await metadata.transaction(
      Array.from(
        { length: steps },
        (_, at) => ({ kind: 'put', key: `k/${at}`, value: '1' }) as const,
      ),
    );
    await put(metadata, 'a', '2');
    await new Promise(setImmediate);
    const [first = []] = seen;
    const entries = first.flatMap((event) => (event.kind === 'put' ? [event.entry] : []));
    const committed = steps === 1 ? `${layout.catalog}k/0` : layout.journal;
    expect(entries.map(({ key }) => key)).toContain(committed);
    const marker = entries.find(({ key }) => key === layout.marker);
    expect(isOfRestore(marker, true)).toBe(false);
    expect(store.operationsMax).toBeLessThanOrEqual(64);
  },
);

test.each(['refused', 'lost before', 'lost after'] as const)(
  'a change that is %s ends it if it was made, and only then',
  async (fate: CallFate) => {
    const store = await restored();
    let armed: CallFate | undefined;
    const client = store.connect((call) => {
      const now = call === 'transaction' ? armed : undefined;
      if (now !== undefined) armed = undefined;
      return now ?? 'answered';
    });
    const { metadata } = await openAsLeader(client, store.connect());
    armed = fate;
    const isMade = await put(metadata, 'a', '2').then(
      () => true,
      () => false,
    );
    expect(isMade).toBe(fate !== 'refused');
    expect(metadata.restored).toBe(!isMade);
    expect((await openAsLeader(store.connect())).metadata.restored).toBe(!isMade);
  },
);
