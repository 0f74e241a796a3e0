// Loads of objects of an object store.

import { beforeEach, expect, it, vi } from 'vitest';
import { ownS3 } from '../../support/s3/stores.ts';
import type { ObjectStore } from '../../../archive/object-store.ts';
import { failure, rowsText, setUp, write } from '../../loader/load-setup.ts';

beforeEach(() => {
  vi.unstubAllEnvs();
});

async function put(store: ObjectStore, name: string, bytes: Buffer): Promise<void> {
  const read = (start: number, end: number): Promise<Buffer> =>
    Promise.resolve(bytes.subarray(start, end));
  await store.put(name, { byteCount: bytes.length, read });
}

/** A bucket with files of rows, and the digest of all of them. */
async function filled() {
  const setup = await setUp();
  const { s3, store } = await ownS3();
  for (const [name, value] of Object.entries(s3.environment)) vi.stubEnv(name, value);
  const local: string[] = [];
  for (let part = 0; part < 3; part++) {
    const { text } = rowsText(30_000, `${part}`);
    await put(store, `in/part-${part}.data`, Buffer.from(text));
    local.push(write(setup.folder, `part-${part}.data`, text));
  }
  await put(store, 'in/_SUCCESS', Buffer.alloc(0));
  await put(store, 'in/deeper/part-9.data', Buffer.from('k9 v9\n'));
  const { digest } = await setup.load(local);
  const root = s3.url.replace(/\/$/, '');
  return { ...setup, s3, store, digest, root };
}

it('objects, patterns and folders have the digest of the same files here', async () => {
  const { digest, load, root } = await filled();
  const parts = [0, 1, 2].map((part) => `${root}/in/part-${part}.data`);
  expect((await load(parts)).digest).toBe(digest);
  expect((await load([`${root}/in/*.data`])).digest).toBe(digest);
  expect((await load([`${root}/in/`])).digest).toBe(digest);
  expect((await load([`${root}/**/part-*.data`])).loaded).toBe(90_001);
});

it('a store that goes away three times costs time alone', async () => {
  const { digest, load, root, s3 } = await filled();
  let asked = 0;
  s3.fault = ({ what }) => {
    if (what !== 'GetObject') return undefined;
    asked++;
    // Three times the next requests find nobody.
    return [2, 4, 6].includes(asked) ? 'reset' : asked === 8 ? 'torn' : undefined;
  };
  expect((await load([`${root}/in/*.data`])).digest).toBe(digest);
  expect(asked).toBe(10);
});

it('an object that changes is not committed, and what is not there is named', async () => {
  const { load, root, store } = await filled();
  let hasChanged = false;
  const onProgress = (): void => {
    if (hasChanged) return;
    hasChanged = true;
    void put(store, 'in/part-0.data', Buffer.from('other row\n'));
  };
  const error = await failure(load([`${root}/in/*.data`], {}, { onProgress }));
  expect(error.code).toBe('INPUT_CHANGED');
  expect((await failure(load([`${root}/nope/*.data`]))).code).toBe('INPUT_NOT_FOUND');
  expect((await failure(load([`${root}/nope.data`]))).message).toMatch(
    /There is no object '.*nope\.data'/,
  );
});

it('an object that is replaced by another of the same size and second is not committed', async () => {
  const { load, root, s3 } = await filled();
  const name = 'in/part-0.data';
  const key = [...s3.objects.keys()].find((one) => one.endsWith(name)) ?? '';
  const found = s3.objects.get(key);
  let hasChanged = false;
  const onProgress = (): void => {
    if (hasChanged || found === undefined) return;
    hasChanged = true;
    const bytes = Buffer.from(found.bytes);
    bytes.write('x', bytes.length - 2);
    s3.objects.set(key, { ...found, bytes, tag: '"another"' });
  };
  const error = await failure(load([`${root}/in/*.data`], {}, { onProgress }));
  expect(error.code).toBe('INPUT_CHANGED');
});
