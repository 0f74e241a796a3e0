import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFolder } from '../../base/folder-lock.ts';

let root = '';
let folder = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stele-lock-'));
  folder = root;
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function lockRecord(): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'LOCK'), 'utf8')) as Record<string, unknown>;
}

function leaveLock(record: unknown): void {
  const text = typeof record === 'string' ? record : JSON.stringify(record);
  writeFileSync(join(folder, 'LOCK'), text);
}

describe('lockFolder', () => {
  it('makes the folder, and says in the lock who holds it', () => {
    folder = join(folder, 'deep', 'er');
    const lock = lockFolder(folder, 'master');
    expect(lockRecord()).toMatchObject({ pid: process.pid, role: 'master' });
    lock.release();
    expect(existsSync(join(folder, 'LOCK'))).toBe(false);
  });

  it('refuses a folder that a running process holds, naming process and way out', () => {
    const lock = lockFolder(folder, 'datanode');
    expect(() => lockFolder(folder, 'master')).toThrow(
      expect.objectContaining({
        code: 'LOCKED',
        message: expect.stringMatching(
          new RegExp(`in use by datanode process ${process.pid} .*--data-dir`),
        ) as unknown,
      }),
    );
    lock.release();
    lockFolder(folder, 'master').release();
  });

  it('takes over the lock of a process that is gone', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    leaveLock({ pid: child.pid, startTicks: '1', role: 'master', since: 'then' });
    const lock = lockFolder(folder, 'master');
    expect(lockRecord()['pid']).toBe(process.pid);
    lock.release();
  });

  it.runIf(existsSync('/proc/self/stat'))(
    'takes over a lock whose pid now belongs to a later process',
    () => {
      leaveLock({ pid: process.pid, startTicks: '1', role: 'master', since: 'then' });
      const lock = lockFolder(folder, 'master');
      expect(lockRecord()['startTicks']).not.toBe('1');
      lock.release();
    },
  );

  it.each(['', '{"pid":', 'null', '[]', '{"pid":"x"}'])(
    'takes over a lock file that a crash cut short: %j',
    (text) => {
      leaveLock(text);
      lockFolder(folder, 'master').release();
      expect(existsSync(join(folder, 'LOCK'))).toBe(false);
    },
  );
});
