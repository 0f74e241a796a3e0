import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  FolderSync,
  syncFolder,
  writeFileDurable,
  writeFully,
} from '../../../base/disk/durable-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stele-durable-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A fake file that accepts `sizes` bytes at a time, then nothing more. */
function slowFile(sizes: number[]) {
  const taken: number[] = [];
  const file = {
    write: (bytes: Uint8Array, offset: number, length: number) => {
      const bytesWritten = Math.min(sizes.shift() ?? 0, length);
      taken.push(...bytes.subarray(offset, offset + bytesWritten));
      return Promise.resolve({ bytesWritten });
    },
  };
  return { file: file as unknown as FileHandle, taken };
}

describe('writeFully', () => {
  it('continues after a short write', async () => {
    const { file, taken } = slowFile([2, 1, 5]);
    await writeFully(file, Uint8Array.of(1, 2, 3, 4, 5));
    expect(taken).toEqual([1, 2, 3, 4, 5]);
  });

  it('says that the disk is full when it takes nothing more', async () => {
    const { file } = slowFile([2]);
    await expect(writeFully(file, Uint8Array.of(1, 2, 3))).rejects.toMatchObject({
      code: 'DISK_FULL',
    });
  });
});

describe('writeFileDurable', () => {
  it('writes the parts one after the other and leaves no temporary file', async () => {
    const path = join(folder, 'state');
    await writeFileDurable(path, [Buffer.from('ab'), Buffer.alloc(0), Buffer.from('c')]);
    expect(readFileSync(path, 'utf8')).toBe('abc');
    expect(readdirSync(folder)).toEqual(['state']);
  });

  it('replaces the whole of a longer file', async () => {
    const path = join(folder, 'state');
    writeFileSync(path, 'something longer');
    await writeFileDurable(path, [Buffer.from('x')]);
    expect(readFileSync(path, 'utf8')).toBe('x');
  });

  it('is not disturbed by the temporary file of a crash', async () => {
    const path = join(folder, 'state');
    writeFileSync(`${path}.tmp`, 'half of something much longer');
    await writeFileDurable(path, [Buffer.from('x')]);
    expect(readFileSync(path, 'utf8')).toBe('x');
    expect(readdirSync(folder)).toEqual(['state']);
  });

  it('keeps the existing file and removes the temporary one if it cannot replace it', async () => {
    const path = join(folder, 'state');
    mkdirSync(join(path, 'full'), { recursive: true });
    await expect(writeFileDurable(path, [Buffer.from('x')])).rejects.toMatchObject({
      name: 'SteleError',
    });
    expect(readdirSync(path)).toEqual(['full']);
    expect(readdirSync(folder)).toEqual(['state']);
  });

  it('reports a missing folder as a failure of its kind', async () => {
    const path = join(folder, 'no', 'such', 'state');
    await expect(writeFileDurable(path, [Buffer.from('x')])).rejects.toMatchObject({
      name: 'SteleError',
      code: 'IO',
    });
  });
});

describe('syncFolder', () => {
  it('throws for a missing folder', async () => {
    await expect(syncFolder(join(folder, 'nope'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('FolderSync', () => {
  it('shares one sync among all that ask while another is running, and none before', async () => {
    const sync = new FolderSync(folder);
    const first = sync.sync();
    const second = sync.sync();
    const third = sync.sync();
    expect(second).not.toBe(first);
    expect(third).toBe(second);
    await first;
    await second;
    const later = sync.sync();
    expect(later).not.toBe(second);
    await later;
  });

  it('fails for those that asked, and works again for those that ask later', async () => {
    const gone = join(folder, 'gone');
    const sync = new FolderSync(gone);
    const first = sync.sync();
    const second = sync.sync();
    await expect(first).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(second).rejects.toMatchObject({ code: 'ENOENT' });
    mkdirSync(gone);
    await expect(sync.sync()).resolves.toBeUndefined();
  });
});
