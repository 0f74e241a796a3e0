import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { isFileLocked, lockFolder, lockHolder } from '../../../base/disk/folder-lock.ts';
import { AS_PROCESS_1, canBeProcess1 } from '../../support/process/namespaces.ts';
import { smallDisk } from '../../support/process/small-disk.ts';
import { builtModule, until } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MODULE = builtModule('base/disk/folder-lock.ts');

let folder = '';
beforeEach(() => {
  folder = tempDir();
});

function lockRecord(): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'LOCK'), 'utf8')) as Record<string, unknown>;
}

const script = (): string => `
  const { lockFolder } = await import(${JSON.stringify(MODULE)});
  lockFolder(${JSON.stringify(folder)}, 'master');
  console.log('locked');
  setInterval(() => undefined, 1000);`;

/** Another process that has locked `folder`, optionally in its own PID namespace. */
async function holder(within: readonly string[] = []): Promise<ChildProcess> {
  const words = [...within, process.execPath, '--input-type=module', '-e', script()];
  const child = spawn(words[0] ?? '', words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const refused = (message: RegExp, code = 'LOCKED') =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }) as Error;

describe('lockFolder', () => {
  it('makes the folder, and says in the lock who holds it', () => {
    folder = join(folder, 'deep', 'er');
    const lock = lockFolder(folder, 'master');
    expect(lockRecord()).toMatchObject({ pid: process.pid, role: 'master' });
    expect(lockHolder(folder)).toMatchObject({ pid: process.pid, role: 'master' });
    lock.release();
    expect(lockHolder(folder)).toBeUndefined();
  });

  it('refuses a folder that is held, naming process and way out', () => {
    const lock = lockFolder(folder, 'datanode');
    expect(() => lockFolder(folder, 'master')).toThrow(
      refused(new RegExp(`in use by datanode process ${process.pid} .*; stop it.*--data-dir`)),
    );
    lock.release();
    lockFolder(folder, 'master').release();
  });

  it('is held by a process until that is killed, and never longer', async () => {
    const child = await holder();
    expect(lockHolder(folder)?.pid).toBe(child.pid);
    expect(() => lockFolder(folder, 'master')).toThrow(refused(/in use by master process/));
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockFolder(folder, 'master').release();
  });

  it.runIf(canBeProcess1())('holds across PID namespaces, where both are process 1', async () => {
    const first = await holder(AS_PROCESS_1);
    expect(lockRecord()['pid']).toBe(1);
    expect(() => lockFolder(folder, 'datanode')).toThrow(refused(/in use by master process 1 /));
    const [program, ...flags] = AS_PROCESS_1;
    const second = spawnSync(
      program,
      [...flags, process.execPath, '--input-type=module', '-e', script()],
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect(second.stderr).toContain('in use by master process 1 ');
    first.kill('SIGKILL');
    await once(first, 'exit');
    await until('the lock to be free', () => lockHolder(folder) === undefined);
    lockFolder(folder, 'datanode').release();
  });

  it('does not take the file of a folder that was deleted for the lock', () => {
    const lock = lockFolder(folder, 'load');
    rmSync(folder, { recursive: true });
    const next = lockFolder(folder, 'load');
    lock.release();
    expect(lockHolder(folder)?.pid).toBe(process.pid);
    next.release();
  });

  it.each(['', '{"pid":', 'null', '[]', '{"pid":"x"}', 'x'.repeat(2000)])(
    'does not need what is in the file: %j',
    (text) => {
      writeFileSync(join(folder, 'LOCK'), text);
      const lock = lockFolder(folder, 'master');
      writeFileSync(join(folder, 'LOCK'), text);
      expect(() => lockFolder(folder, 'master')).toThrow(refused(/by another process; stop it/));
      lock.release();
    },
  );

  it('says what is wrong with a folder that cannot be used', () => {
    writeFileSync(join(folder, 'file'), '');
    symlinkSync('loop', join(folder, 'loop'));
    mkdirSync(join(folder, 'odd', 'LOCK'), { recursive: true });
    const wanted: Record<string, RegExp> = {
      file: /^The data folder \S+file cannot be used \(EEXIST\): it is a file .* --data-dir\.$/,
      'file/deeper': /^The data folder \S+deeper cannot be used \(ENOTDIR\): a part of the path /,
      loop: /\(ELOOP\): its symbolic links /,
      'loop/deeper': /\(ELOOP\): its symbolic links /,
      odd: /\(EISDIR\): LOCK in it is a folder/,
      ['x'.repeat(300)]: /\(ENAMETOOLONG\): the path is too long/,
    };
    for (const [name, message] of Object.entries(wanted)) {
      expect(() => lockFolder(join(folder, name), 'master'), name).toThrow(refused(message, 'IO'));
    }
  });
});

describe('a full disk', () => {
  const disk = smallDisk(1);
  it.skipIf(disk === undefined)('is no reason not to begin', () => {
    onTestFinished(() => disk?.remove());
    folder = join(disk?.path ?? '', 'data');
    mkdirSync(folder);
    fill(join(disk?.path ?? '', 'filler'));
    const lock = lockFolder(folder, 'master');
    expect(() => lockFolder(folder, 'master')).toThrow(refused(/by another process/));
    lock.release();
    rmSync(join(disk?.path ?? '', 'filler'));
    lockFolder(folder, 'master').release();
    fill(join(disk?.path ?? '', 'filler'));
    // The block of the content exists now, so the message has its name.
    lockFolder(folder, 'datanode');
    expect(lockRecord()['role']).toBe('datanode');
  });
});

describe('isFileLocked', () => {
  it('sees what others hold, and no more', () => {
    expect(isFileLocked(join(folder, 'LOCK'))).toBe(false);
    const lock = lockFolder(folder, 'master');
    expect(isFileLocked(join(folder, 'LOCK'))).toBe(true);
    lock.release();
    closeSync(openSync(join(folder, 'LOCK'), 'r'));
    expect(isFileLocked(join(folder, 'LOCK'))).toBe(false);
    expect(existsSync(join(folder, 'LOCK'))).toBe(true);
  });
});

function fill(path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(64 * 1024 * 1024));
  } catch {
    // The disk is full now.
  }
}
