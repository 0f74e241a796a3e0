import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockFolder } from '../../../../base/disk/folder-lock.ts';
import { silentLogger } from '../../../../base/log.ts';
import { openEmbeddedMetadata } from '../../../../master/metadata/embedded.ts';
import { FolderPlace } from '../../../../master/metadata/copies/folder-place.ts';
import { put } from '../entries.ts';
import { MANY, contentOf, fillFolder, plain } from './catalogs.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stele-copies-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The files of the folder with digests of their content, without those that are locks. */
function filesOf(path: string): Record<string, string> {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8', withFileTypes: true });
  return Object.fromEntries(
    names
      .filter((entry) => entry.isFile() && !['LOCK', 'lock.mdb'].includes(entry.name))
      .map(({ name, parentPath }) => {
        const bytes = readFileSync(join(parentPath, name));
        return [join(parentPath, name), createHash('sha256').update(bytes).digest('hex')];
      }),
  );
}

test('reading changes no file', async () => {
  await fillFolder(folder);
  const before = filesOf(folder);
  const content = await new FolderPlace(folder).read();
  expect(plain(content.entries)).toEqual(plain(MANY));
  expect(content.restored).toBe(false);
  expect(filesOf(folder)).toEqual(before);
});

test('a folder without a catalog is an error, and is not made', async () => {
  const missing = join(folder, 'missing');
  await expect(new FolderPlace(missing).read()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(existsSync(missing)).toBe(false);
  await expect(new FolderPlace(folder).read()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a folder in use is neither read nor written, and its process is named', async () => {
  await fillFolder(folder);
  const lock = lockFolder(folder, 'master');
  const error = { code: 'LOCKED', message: expect.stringContaining(`master process`) as string };
  await expect(new FolderPlace(folder).read()).rejects.toMatchObject(error);
  await expect(new FolderPlace(folder).put(contentOf())).rejects.toMatchObject(error);
  lock.release();
  expect((await new FolderPlace(folder).read()).entries).toHaveLength(MANY.length);
});

test.each([false, true])(
  'what is written is what a master starts from; restored: %j',
  async (restored) => {
    const target = join(folder, 'new', 'master');
    await new FolderPlace(target).put(contentOf(MANY, restored));
    expect((await new FolderPlace(target).read()).restored).toBe(restored);
    const metadata = await openEmbeddedMetadata(target, silentLogger);
    expect(plain(await metadata.list(''))).toEqual(plain(MANY));
    expect(metadata.restored).toBe(restored);
    expect(await put(metadata, 'next', '1')).toBe(201);
    await metadata.close();
    expect((await new FolderPlace(target).read()).restored).toBe(false);
  },
);

test('nothing is overwritten: neither a catalog nor the backup of one', async () => {
  await fillFolder(folder, [{ key: 'a', value: '1', revision: 1 }]);
  const taken = { code: 'CONFLICT', message: expect.stringContaining('another folder') as string };
  await expect(new FolderPlace(folder).put(contentOf())).rejects.toMatchObject(taken);
  rmSync(join(folder, 'metadata'), { recursive: true });
  const before = filesOf(folder);
  await expect(new FolderPlace(folder).put(contentOf())).rejects.toMatchObject(taken);
  expect(filesOf(folder)).toEqual(before);
});

test('a damaged store, or one of which only the backup is left, is not read', async () => {
  await fillFolder(folder);
  truncateSync(join(folder, 'metadata', 'data.mdb'), 5_000);
  const damaged = { code: 'CORRUPT', message: expect.stringContaining('start a master') as string };
  await expect(new FolderPlace(folder).read()).rejects.toMatchObject(damaged);
  await expect(new FolderPlace(folder).put(contentOf())).rejects.toMatchObject(damaged);
  rmSync(join(folder, 'metadata'), { recursive: true });
  await expect(new FolderPlace(folder).read()).rejects.toMatchObject(damaged);
});
