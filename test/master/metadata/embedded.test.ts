import {
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { get, put } from './entries.ts';
import { openEmbeddedMetadata } from '../../../master/metadata/embedded.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stele-metadata-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const openStore = () => openEmbeddedMetadata(folder, silentLogger);
const dataFile = () => join(folder, 'metadata', 'data.mdb');

async function filled(): Promise<void> {
  const store = await openStore();
  for (let i = 0; i < 20; i++) await put(store, `k/${i}`, JSON.stringify('x'.repeat(3000)));
  await store.close();
}

describe('embedded metadata', () => {
  test('what was put is there after a new opening, with its revision', async () => {
    const first = await openStore();
    expect(await put(first, 'a', '1')).toBe(1);
    expect(await put(first, 'b', '2')).toBe(2);
    await first.close();
    const second = await openStore();
    expect(await get(second, 'a')).toEqual({ key: 'a', value: '1', revision: 1 });
    expect(await put(second, 'a', '3')).toBe(3);
    await second.close();
  });

  test('a compare-and-set of an old revision changes nothing', async () => {
    const store = await openStore();
    await put(store, 'a', '1');
    expect(await put(store, 'a', '2', 0)).toBeUndefined();
    expect(await put(store, 'a', '2', 1)).toBe(2);
    expect(await put(store, 'new', '1', 0)).toBe(3);
    expect((await get(store, 'a'))?.value).toBe('2');
    await store.close();
  });

  test('of two compare-and-sets of one revision at once, one wins', async () => {
    const store = await openStore();
    await put(store, 'a', '1');
    const tries = [2, 3, 4].map((value) => put(store, 'a', String(value), 1));
    expect(await Promise.all(tries)).toEqual([2, undefined, undefined]);
    expect((await get(store, 'a'))?.value).toBe('2');
    await store.close();
  });

  test('nobody is told of a write before it is durable, and the event loop goes on meanwhile', async () => {
    const store = await openStore();
    let turns = 0;
    const count = setInterval(() => turns++, 0);
    const write = put(store, 'a', JSON.stringify('x'.repeat(1_000_000)));
    expect(await get(store, 'a')).toBeUndefined();
    expect(await write).toBe(1);
    expect(await get(store, 'a')).toBeDefined();
    expect(turns).toBeGreaterThan(0);
    clearInterval(count);
    await store.close();
  });

  test('what was asked for before the store is closed is in it', async () => {
    const first = await openStore();
    const writes = [1, 2, 3].map((at) => put(first, `k/${at}`, '1'));
    await first.close();
    await Promise.all(writes);
    await expect(put(first, 'late', '1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const second = await openStore();
    expect(await second.list('k/')).toHaveLength(3);
    await second.close();
  });

  test('a transaction with one wrong expectation writes nothing of it', async () => {
    const store = await openStore();
    await put(store, 'a', '1');
    const writes = [
      { kind: 'put', key: 'b', value: '1', expect: 0 },
      { kind: 'delete', key: 'a', expect: 99 },
    ] as const;
    expect(await store.transaction(writes)).toBeUndefined();
    expect((await store.list('')).map((entry) => entry.key)).toEqual(['a']);
    await store.close();
  });

  test.each([0, 100, 4096, 5000, 12_288])(
    'a store cut to %i bytes is set aside and restored from the backup',
    async (bytes) => {
      await filled();
      truncateSync(dataFile(), bytes);
      const store = await openStore();
      expect(await store.list('k/')).toHaveLength(20);
      expect(await put(store, 'more', '1')).toBe(21);
      await store.close();
      const aside = readdirSync(folder).filter((name) => name.startsWith('metadata.damaged-'));
      expect(aside).toHaveLength(1);
      expect(statSync(join(folder, aside[0]!, 'data.mdb')).size).toBe(bytes);
    },
  );

  test('a restored store says so until it has been changed', async () => {
    await filled();
    rmSync(join(folder, 'metadata'), { recursive: true });
    for (let start = 0; start < 2; start++) {
      const restored = await openStore();
      expect(restored.restored).toBe(true);
      await restored.close();
    }
    const changed = await openStore();
    await put(changed, 'a', '1');
    await changed.close();
    const after = await openStore();
    expect(after.restored).toBe(false);
    await after.close();
  });

  test('a lost store is restored as well', async () => {
    await filled();
    rmSync(join(folder, 'metadata'), { recursive: true });
    const store = await openStore();
    expect(await store.list('k/')).toHaveLength(20);
    await store.close();
  });

  test('a torn backup is passed over for the one before it, which has all that came later', async () => {
    await filled();
    const second = await openStore();
    await put(second, 'later', '1');
    await second.close();
    truncateSync(dataFile(), 5000);
    truncateSync(join(folder, 'catalog-backup.json'), 500);
    const store = await openStore();
    expect(await store.list('')).toHaveLength(21);
    expect(await put(store, 'more', '1')).toBe(22);
    await store.close();
  });

  test('without an intact backup a damaged store is refused, and nothing is touched', async () => {
    await filled();
    truncateSync(dataFile(), 5000);
    writeFileSync(join(folder, 'catalog-backup.json'), '{}');
    rmSync(join(folder, 'catalog-backup.log'));
    await expect(openStore()).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringMatching(/segments on the datanodes are untouched/) as string,
    });
    expect(existsSync(dataFile())).toBe(true);
    expect(statSync(dataFile()).size).toBe(5000);
  });
});
