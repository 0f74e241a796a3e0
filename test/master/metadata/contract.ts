// What every metadata store must do (master/metadata/port.ts), as tests.

import { describe, expect, test } from 'vitest';
import type { Metadata, Write } from '../../../master/metadata/port.ts';
import { get, put } from './entries.ts';

/** A store that can be closed and opened again with its content. */
export interface StoreUnderTest {
  open(): Promise<Metadata>;
}

const text = (value: unknown): string => JSON.stringify(value);
const putting = (key: string, value: string, expected?: number): Write =>
  expected === undefined
    ? { kind: 'put', key, value }
    : { kind: 'put', key, value, expect: expected };

/** `start`: a new, empty store for each test. */
export function testMetadataContract(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(`metadata contract: ${name}`, () => {
    test('what was written is there after a new opening, with its revision', async () => {
      const store = await start();
      const first = await store.open();
      const a = await put(first, 'a', '1');
      const b = await put(first, 'b', '2');
      expect(b).toBeGreaterThan(a!);
      await first.close();
      const second = await store.open();
      expect(await get(second, 'a')).toEqual({ key: 'a', value: '1', revision: a });
      expect(await get(second, 'b')).toEqual({ key: 'b', value: '2', revision: b });
      expect(await put(second, 'a', '3', a)).toBeGreaterThan(b!);
      await second.close();
    });

    test('a transaction is all or nothing, by the conditions on its keys', async () => {
      const metadata = await (await start()).open();
      const a = await put(metadata, 'a', '1');
      const refused = await metadata.transaction([
        putting('b', '1'),
        { kind: 'delete', key: 'a', expect: a! + 1 },
      ]);
      expect(refused).toBeUndefined();
      expect(await metadata.list('')).toHaveLength(1);
      const made = await metadata.transaction([
        putting('b', '1', 0),
        { kind: 'delete', key: 'a', expect: a! },
      ]);
      expect(await metadata.list('')).toEqual([{ key: 'b', value: '1', revision: made }]);
      await metadata.close();
    });

    test('a condition alone decides about the writes of other keys, and changes nothing itself', async () => {
      const metadata = await (await start()).open();
      const a = await put(metadata, 'a', '1');
      const check = (expected: number): Write => ({ kind: 'check', key: 'a', expect: expected });
      expect(await metadata.transaction([check(a! + 1), putting('b', '1')])).toBeUndefined();
      expect(await metadata.transaction([check(0), putting('b', '1')])).toBeUndefined();
      expect(await metadata.transaction([check(a!), putting('b', '1')])).toBeGreaterThan(a!);
      expect(await metadata.transaction([check(a!)])).toBeDefined();
      expect(await get(metadata, 'a')).toEqual({ key: 'a', value: '1', revision: a });
      await metadata.close();
    });

    test('of transactions that ask for one revision at once, one is made', async () => {
      const metadata = await (await start()).open();
      const a = await put(metadata, 'a', '1');
      const tries = [2, 3, 4].map((value) => put(metadata, 'a', text(value), a));
      const made = (await Promise.all(tries)).filter((revision) => revision !== undefined);
      expect(made).toHaveLength(1);
      expect((await get(metadata, 'a'))?.revision).toBe(made[0]);
      await metadata.close();
    });

    test('lists by prefix, in the order of keys', async () => {
      const metadata = await (await start()).open();
      await metadata.transaction(['k/10', 'k/2', 'j/1', 'k'].map((key) => putting(key, '1')));
      expect((await metadata.list('k/')).map(({ key }) => key)).toEqual(['k/10', 'k/2']);
      expect(await metadata.list('')).toHaveLength(4);
      await metadata.close();
    });

    test('values of megabytes, and transactions of hundreds of keys, are as atomic as small ones', async () => {
      const store = await start();
      const first = await store.open();
      const large = text('é'.repeat(1_500_000));
      const keys = Array.from({ length: 300 }, (_, at) => `k/${at}`);
      const made = await first.transaction([
        putting('large', large),
        ...keys.map((key) => putting(key, text(key), 0)),
      ]);
      expect(made).toBeDefined();
      expect(await first.transaction(keys.map((key) => putting(key, '0', 0)))).toBeUndefined();
      await first.close();
      const second = await store.open();
      expect((await get(second, 'large'))?.value).toBe(large);
      expect((await second.list('k/')).every(({ key, value }) => value === text(key))).toBe(true);
      const removal: Write[] = keys.map((key) => ({ kind: 'delete', key }));
      expect(await second.transaction([...removal, putting('large', '1')])).toBeGreaterThan(made!);
      await second.close();
      const third = await store.open();
      expect(await third.list('')).toMatchObject([{ key: 'large', value: '1' }]);
      await third.close();
    });
  });
}
