// What must hold of the store whatever happens around it: another process on it, and a disk that is
// full.

import { spawnSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { get, put } from './entries.ts';
import { openEmbeddedMetadata } from '../../../master/metadata/embedded.ts';
import type { EmbeddedMetadata } from '../../../master/metadata/embedded.ts';
import { AS_PROCESS_1, canBeProcess1 } from '../../support/process/namespaces.ts';
import { smallDisk } from '../../support/process/small-disk.ts';
import { PROJECT } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const dist = (path: string): string => pathToFileURL(join(PROJECT, 'dist', path)).href;

/** What another process runs, which has opened the metadata in `folder` as `store`. */
const elsewhere = (folder: string, script: string): string[] => [
  '--input-type=module',
  '-e',
  `const { openEmbeddedMetadata } = await import('${dist('master/metadata/embedded.js')}');
   const { silentLogger } = await import('${dist('base/log.js')}');
   const store = await openEmbeddedMetadata(${JSON.stringify(folder)}, silentLogger);
   ${script}`,
];

const opened = async (folder: string): Promise<EmbeddedMetadata> => {
  const store = await openEmbeddedMetadata(folder, silentLogger);
  onTestFinished(() => store.close());
  return store;
};

describe('a store that two processes have open', () => {
  test('takes no commit of the one that does not know of the other', async () => {
    const folder = tempDir();
    const store = await opened(folder);
    await put(store, 'a', '1');
    const other = spawnSync(
      process.execPath,
      elsewhere(
        folder,
        `await store.transaction([{ kind: 'put', key: 'b', value: '2' }]); await store.close();`,
      ),
      { encoding: 'utf8' },
    );
    expect(other).toMatchObject({ status: 0, stderr: '' });
    const refused = { code: 'CONFLICT', message: expect.stringMatching(/^Another process/) };
    await expect(put(store, 'c', '3')).rejects.toMatchObject(refused);
    await expect(put(store, 'a', '4', 1)).rejects.toMatchObject(refused);
    expect((await store.list('')).map((entry) => entry.key)).toEqual(['a']);
    await store.close();
    const again = await opened(folder);
    expect((await again.list('')).map((entry) => entry.key)).toEqual(['a', 'b']);
    expect(await put(again, 'c', '3')).toBe(3);
  });

  test.skipIf(!canBeProcess1())(
    'of one number, in two containers, is refused at once',
    async () => {
      const folder = tempDir();
      const [program, ...flags] = AS_PROCESS_1;
      const words = [...flags, process.execPath];
      const script = `console.log('open'); setInterval(() => 0, 1e6)`;
      const child = spawn(program, [...words, ...elsewhere(folder, script)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      const other = spawnSync(program, [...words, ...elsewhere(folder, script)], {
        encoding: 'utf8',
        timeout: 8000,
      });
      expect(other.stderr).toMatch(
        /is open in another container, by a process that has the number/,
      );
      expect(other.status).toBe(1);
    },
  );

  test('is not moved away as damaged', async () => {
    const folder = tempDir();
    const child = spawn(
      process.execPath,
      elsewhere(
        folder,
        `await store.transaction([{ kind: 'put', key: 'a', value: '1' }]); console.log('open'); setInterval(() => 0, 1e6)`,
      ),
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    rmSync(join(folder, 'metadata', 'data.mdb'));
    await expect(opened(folder)).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(
        /cannot be read \(its file data.mdb is missing\), and another/,
      ),
    });
    expect(existsSync(join(folder, 'metadata', 'lock.mdb'))).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await (await opened(folder)).list('')).toHaveLength(1);
    expect(readdirSync(folder).filter((name) => name.includes('damaged'))).toHaveLength(0);
  });
});

describe('on a full disk', () => {
  const disk = smallDisk(4);
  const path = disk?.path ?? '';
  afterAll(() => disk?.remove());
  const fill = (): void => {
    try {
      writeFileSync(join(path, 'filler'), Buffer.alloc(16 * 1024 * 1024));
    } catch {
      // It is full now.
    }
  };

  test.skipIf(disk === undefined)(
    'small changes go on for a while, then each says DISK_FULL and changes nothing, and so after a start',
    async () => {
      const folder = join(path, 'master');
      const store = await opened(folder);
      for (const key of ['a', 'b', 'c']) await put(store, key, '1');
      fill();
      for (let at = 0; at < 10; at++) await put(store, `n${at}`, JSON.stringify('x'.repeat(9000)));
      const full = { code: 'DISK_FULL', message: expect.stringMatching(/data\.mdb is full: /) };
      for (const key of ['a', 'large']) {
        const value = JSON.stringify('x'.repeat(900_000));
        await expect(put(store, key, value)).rejects.toMatchObject(full);
      }
      expect((await get(store, 'a'))?.value).toBe('1');
      expect(await get(store, 'large')).toBeUndefined();
      expect(await put(store, 'a', '2')).toBe(14);
      await store.close();

      const again = await opened(folder);
      expect((await get(again, 'a'))?.value).toBe('2');
      expect(await put(again, 'a', '3')).toBe(15);
      rmSync(join(path, 'filler'));
      expect(await put(again, 'large', JSON.stringify('x'.repeat(900_000)))).toBe(16);
      await again.close();
      expect(await (await opened(folder)).list('')).toHaveLength(14);
    },
  );

  test.skipIf(disk === undefined)('a first start says so', async () => {
    fill();
    await expect(opened(join(path, 'new'))).rejects.toMatchObject({ code: 'DISK_FULL' });
  });
});
