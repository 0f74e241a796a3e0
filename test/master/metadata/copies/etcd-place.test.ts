import { describe, expect, test } from 'vitest';
import { systemTime } from '../../../../base/clock.ts';
import { toSteleError } from '../../../../base/errors.ts';
import type { Write } from '../../../../master/metadata/port.ts';
import { MemoryEtcd } from '../../../../master/metadata/etcd/memory-etcd.ts';
import type { CallFate } from '../../../../master/metadata/etcd/memory-etcd.ts';
import { put } from '../entries.ts';
import { layout, openAsLeader } from '../etcd/leading.ts';
import { MANY, contentOf, etcdPlace, plain } from './catalogs.ts';

/**
 * A client that is answered `count` times after `arm`, and never again; `hung` resolves when it is
 * not.
 */
function dyingAfter(store: MemoryEtcd, count: number) {
  let left = Infinity;
  let hang: () => void = () => undefined;
  const hung = new Promise<void>((resolve) => {
    hang = resolve;
  });
  const client = store.connect((): CallFate | Promise<CallFate> => {
    if (left-- > 0) return 'answered';
    hang();
    return new Promise(() => undefined);
  });
  const arm = (): void => {
    left = count;
  };
  return { client, arm, hung };
}

describe('writing', () => {
  test('the catalog is there, whole, for the next leader, and nobody leads', async () => {
    const store = new MemoryEtcd(systemTime);
    await etcdPlace(store.connect()).put(contentOf());
    expect(store.keys()).not.toContain(layout.leader);
    const { metadata } = await openAsLeader(store.connect());
    expect(plain(await metadata.list(''))).toEqual(plain(MANY));
    expect(metadata.restored).toBe(false);
  });

  test('nothing is overwritten, and a refusal changes nothing', async () => {
    const store = new MemoryEtcd(systemTime);
    await etcdPlace(store.connect()).put(contentOf([{ key: 'a', value: '1', revision: 1 }]));
    const keys = store.keys();
    await expect(etcdPlace(store.connect()).put(contentOf())).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/1 entries.*another prefix.*etcdctl del/s) as string,
    });
    expect(store.keys()).toEqual(keys);
  });

  test('not while a master leads, which is named', async () => {
    const store = new MemoryEtcd(systemTime);
    const value = JSON.stringify({ id: 'm', address: '10.0.0.1:8400', since: '' });
    store.transaction({ compares: [], success: [{ kind: 'put', key: layout.leader, value }] });
    await expect(etcdPlace(store.connect()).put(contentOf())).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('10.0.0.1:8400 leads') as string,
    });
    expect(store.keys()).toEqual([layout.leader]);
  });

  test('a process that dies at any call leaves all of it or nothing', async () => {
    const counts = new Set<number>();
    // Three more deaths after the first that comes too late.
    for (let dies = 1, late = 0; late < 4; dies++) {
      const store = new MemoryEtcd(systemTime);
      const { arm, client, hung } = dyingAfter(store, dies);
      arm();
      await Promise.race([etcdPlace(client).put(contentOf()), hung]);
      const { metadata } = await openAsLeader(store.connect());
      const found = await metadata.list('');
      if (found.length > 0) expect(plain(found)).toEqual(plain(MANY));
      counts.add(found.length);
      if (found.length > 0) late++;
    }
    expect([...counts]).toEqual([0, MANY.length]);
  }, 60_000);

  test('one whose lead is lost ends, and says that the outcome is not known', async () => {
    const store = new MemoryEtcd(systemTime);
    let calls = 0;
    const client = store.connect((call) => {
      if (call === 'transaction' && ++calls === 4) {
        store.transaction({ compares: [], success: [{ kind: 'delete', key: layout.leader }] });
      }
      return 'answered';
    });
    const error = await etcdPlace(client).put(contentOf()).catch(toSteleError);
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const { metadata } = await openAsLeader(store.connect());
    expect(await metadata.list('')).toEqual([]);
  });
});

describe('reading', () => {
  test('without a catalog there is a sentence', async () => {
    const place = etcdPlace(new MemoryEtcd(systemTime).connect());
    await expect(place.read()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a journal under way counts as applied, however far it is', async () => {
    const writes: Write[] = [
      ...MANY.map(({ key, value }) => ({ kind: 'put', key, value }) as const),
      { kind: 'delete', key: 'gone' },
    ];
    let seen = 0;
    for (let dies = 1; dies < 20; dies++) {
      const store = new MemoryEtcd(systemTime);
      const first = await openAsLeader(store.connect());
      await put(first.metadata, 'gone', '1');
      await first.metadata.close();
      const { arm, client, hung } = dyingAfter(store, dies);
      const { metadata } = await openAsLeader(client, store.connect());
      arm();
      await Promise.race([metadata.transaction(writes), hung]);
      if (!store.keys().includes(layout.journal)) continue;
      seen++;
      const keys = store.keys();
      expect(plain((await etcdPlace(store.connect()).read()).entries)).toEqual(plain(MANY));
      expect(store.keys()).toEqual(keys);
    }
    // None, one, two or all three of its parts are applied.
    expect(seen).toBe(4);
  }, 60_000);

  test('a large value that is replaced during the read is read again', async () => {
    const store = new MemoryEtcd(systemTime);
    const { metadata } = await openAsLeader(store.connect());
    await metadata.transaction(
      MANY.map(({ key, value }) => ({ kind: 'put', key, value }) as const),
    );
    let ranges = 0;
    // What comes after the change waits for the removal of its pieces.
    const replace = (): Promise<unknown> =>
      put(metadata, 'manifest/1', '"new"').then(() => metadata.list('cluster/'));
    let replaced: Promise<unknown> | undefined;
    const client = store.connect(async (call): Promise<CallFate> => {
      // After the entries, before their pieces.
      if (call === 'range' && ++ranges > 1) await (replaced ??= replace());
      return 'answered';
    });
    const { entries } = await etcdPlace(client).read();
    expect(plain(entries)).toEqual({ ...plain(MANY), 'manifest/1': '"new"' });
    expect(ranges).toBe(8);
  });

  test('a piece that is missing for good is an error', async () => {
    const store = new MemoryEtcd(systemTime);
    await etcdPlace(store.connect()).put(contentOf());
    const piece = store.keys().find((key) => key.startsWith(layout.pieces))!;
    store.transaction({ compares: [], success: [{ kind: 'delete', key: piece }] });
    await expect(etcdPlace(store.connect()).read()).rejects.toMatchObject({ code: 'CORRUPT' });
  });
});
