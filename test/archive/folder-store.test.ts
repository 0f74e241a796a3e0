// What is special to a store in a folder.

import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { bodyOfBytes, openStore } from '../../archive/open-store.ts';
import { tempDir } from '../support/temp-dir.ts';

const body = bodyOfBytes(Buffer.from('bytes'));

test('creates its folder, but not the parents, which may be a mount that is missing', async () => {
  const folder = tempDir();
  const store = await openStore(pathToFileURL(join(folder, 'archive')).href);
  await store.put('a/b', body);
  expect(existsSync(join(folder, 'archive', 'a', 'b'))).toBe(true);
  const unmounted = await openStore(pathToFileURL(join(folder, 'mnt', 'archive')).href);
  await expect(unmounted.put('a/b', body)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('mounted'),
  });
  const listing = unmounted.list('')[Symbol.asyncIterator]().next();
  await expect(listing).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('leaves nothing of a write that fails, and removes what a killed process left a day ago', async () => {
  const folder = tempDir();
  const incoming = join(folder, '.incoming');
  mkdirSync(incoming);
  for (const name of ['old', 'young']) writeFileSync(join(incoming, name), 'torn');
  const longAgo = Date.now() / 1000 - 90_000;
  utimesSync(join(incoming, 'old'), longAgo, longAgo);
  const store = await openStore(pathToFileURL(folder).href);
  const failing = { byteCount: 10, read: () => Promise.reject(new Error('gone')) };
  await expect(store.put('x', failing)).rejects.toThrow('gone');
  expect(readdirSync(incoming)).toEqual(['young']);
  expect(await store.stat('x')).toBeUndefined();
});

test('does not list what is being written, or hidden files of others', async () => {
  const folder = tempDir();
  const store = await openStore(pathToFileURL(folder).href);
  await store.put('a', body);
  writeFileSync(join(folder, '.nfs0001'), '');
  writeFileSync(join(folder, '.incoming', 'x'), '');
  const names = [];
  for await (const { name } of store.list('')) names.push(name);
  expect(names).toEqual(['a']);
});
