// What every ObjectStore does, in a table of stores.

import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bodyOfBytes, readObject, requireConditions } from '../../archive/open-store.ts';
import type { ObjectStore } from '../../archive/object-store.ts';
import { STORES } from '../support/s3/stores.ts';

describe.each(STORES)('$title', ({ honoursConditions, open, sorts }) => {
  async function opened(): Promise<ObjectStore> {
    const { store } = await open();
    onTestFinished(() => store.close());
    return store;
  }

  test.each([0, 1, 65_536, 65_537, 11 * 1024 * 1024 + 7])(
    'returns %i bytes as they were put, whole and in ranges',
    async (byteCount) => {
      const store = await opened();
      const bytes = randomBytes(byteCount);
      await store.put('segments/a/b.seg', bodyOfBytes(bytes));
      expect((await readObject(store, 'segments/a/b.seg', byteCount)).equals(bytes)).toBe(true);
      expect(await store.stat('segments/a/b.seg')).toMatchObject({
        name: 'segments/a/b.seg',
        byteCount,
      });
      const part = Buffer.alloc(Math.min(1000, byteCount >> 1));
      await store.read('segments/a/b.seg', part, byteCount >> 2);
      const start = byteCount >> 2;
      expect(part.equals(bytes.subarray(start, start + part.length))).toBe(true);
    },
  );

  test('replaces an object', async () => {
    const store = await opened();
    await store.put('x', bodyOfBytes(Buffer.from('one')));
    await store.put('x', bodyOfBytes(Buffer.from('another')));
    expect((await readObject(store, 'x', 100)).toString()).toBe('another');
  });

  test('refuses to read beyond the end, and what is not there', async () => {
    const store = await opened();
    await store.put('x', bodyOfBytes(Buffer.from('0123456789')));
    const past = store.read('x', Buffer.alloc(5), 8);
    await expect(past).rejects.toMatchObject({ code: 'CORRUPT' });
    await expect(store.read('x', Buffer.alloc(5), 20)).rejects.toMatchObject({ code: 'CORRUPT' });
    await expect(store.read('y', Buffer.alloc(5), 0)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await store.stat('y')).toBeUndefined();
    expect(await store.stat('x/y')).toBeUndefined();
  });

  test('lists by prefix, in the order of the names, over many pages', async () => {
    const store = await opened();
    const names = ['a/1', 'a/2/x', 'a-b/0', 'a/10', 'ab', 'b/a=1/c', 'a/2/y', 'a.b'];
    for (const name of names) await store.put(name, bodyOfBytes(Buffer.from(name)));
    const listed = async (prefix: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const one of store.list(prefix)) {
        expect(one.byteCount).toBe(one.name.length);
        expect(Math.abs(one.modifiedMs - Date.now())).toBeLessThan(3_600_000);
        found.push(one.name);
      }
      return sorts ? found : found.sort();
    };
    expect(await listed('')).toEqual([...names].sort());
    expect(await listed('a/')).toEqual(['a/1', 'a/10', 'a/2/x', 'a/2/y']);
    expect(await listed('a/1')).toEqual(['a/1', 'a/10']);
    expect(await listed('nothing/')).toEqual([]);
  });

  test('deletes, also what is not there', async () => {
    const store = await opened();
    await store.put('a/1', bodyOfBytes(Buffer.from('1')));
    await store.put('a/2', bodyOfBytes(Buffer.from('2')));
    await store.delete(['a/1', 'a/3', 'c/4']);
    expect(await store.stat('a/1')).toBeUndefined();
    expect(await store.stat('a/2')).toBeDefined();
  });

  test.each([
    '',
    '/a',
    'a//b',
    '../a',
    'a/../b',
    'a/.',
    '.incoming/x',
    'a\nb',
    'a b',
    'x'.repeat(600),
  ])('refuses the name %j', async (name) => {
    const store = await opened();
    const body = bodyOfBytes(Buffer.from('x'));
    await expect(store.put(name, body)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const read = store.read(name, Buffer.alloc(1), 0);
    await expect(read).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(store.stat(name)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(store.delete([name])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test('ends with CANCELLED when it is aborted', async () => {
    const store = await opened();
    const signal = AbortSignal.abort();
    const put = store.put('x', bodyOfBytes(Buffer.from('x')), { signal });
    await expect(put).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await store.stat('x')).toBeUndefined();
  });

  test('reports every byte to the pace, and waits as it says', async () => {
    const store = await opened();
    const bytes = randomBytes(100_000);
    let counted = 0;
    const pace = (byteCount: number): number => {
      counted += byteCount;
      return 1;
    };
    await store.put('x', bodyOfBytes(bytes), { pace });
    expect(counted).toBe(bytes.length);
    await store.read('x', Buffer.alloc(bytes.length), 0, { pace });
    expect(counted).toBe(2 * bytes.length);
  });

  const claims = async (): Promise<void> => {
    const store = await opened();
    const puts = Array.from({ length: 8 }, (_, at) =>
      store.put('claim', bodyOfBytes(Buffer.from(`writer ${at}`)), { ifAbsent: true }),
    );
    const ends = await Promise.allSettled(puts);
    const winner = ends.findIndex(({ status }) => status === 'fulfilled');
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const end of ends) {
      if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'CONFLICT' });
    }
    expect((await readObject(store, 'claim', 100)).toString()).toBe(`writer ${winner}`);
    await requireConditions(store);
    const probes = [];
    for await (const { name } of store.list('probes/')) probes.push(name);
    expect(probes).toEqual([]);
  };

  const ignores = async (): Promise<void> => {
    const store = await opened();
    await expect(requireConditions(store)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('ignores `If-None-Match: *`'),
    });
  };

  if (honoursConditions) test('gives a name to one of many writers', claims);
  else test('is found to ignore conditions', ignores);
});
