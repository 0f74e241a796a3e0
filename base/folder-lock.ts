// One process a data folder. The lock is a file that names its holder; a holder that no longer
// runs is recognised by pid and start time (a pid alone may have been used again).
//
//   LOCK:  {"pid":123,"startTicks":"456","role":"master","since":"2026-..."}

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wallClockIso } from './clock.ts';
import { SteleError, systemErrorCode } from './errors.ts';

interface LockRecord {
  readonly pid: number;
  readonly startTicks: string;
  readonly role: string;
  readonly since: string;
}

/** Released when the process gives the folder up; a killed process leaves a stale lock, which the next one takes. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes the lock of `folder` (made if missing). Throws LOCKED, naming the process that holds it.
 */
export function lockFolder(folder: string, role: string): FolderLock {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'LOCK');
  for (let attempt = 0; attempt < 5; attempt++) {
    if (tryCreate(path, role)) return { release: () => rmSync(path, { force: true }) };
    const text = readText(path);
    const holder = parseLock(text);
    if (holder !== undefined && isRunning(holder)) {
      throw new SteleError(
        'LOCKED',
        `The data folder ${folder} is in use by ${holder.role} process ${holder.pid} (since ${holder.since}); stop it, or use another --data-dir.`,
      );
    }
    removeStale(path, text);
  }
  throw new SteleError('LOCKED', `The lock file ${path} cannot be taken; remove it by hand.`);
}

/** The running process that holds the lock of `folder`; undefined where none does. */
export function lockHolder(folder: string): LockRecord | undefined {
  const holder = parseLock(readText(join(folder, 'LOCK')));
  return holder !== undefined && isRunning(holder) ? holder : undefined;
}

/** Whole or not at all: the record is written beside it and linked, so nobody reads half a lock. */
function tryCreate(path: string, role: string): boolean {
  const record: LockRecord = {
    pid: process.pid,
    startTicks: startTicks(process.pid) ?? '',
    role,
    since: wallClockIso(),
  };
  const written = `${path}.${process.pid}.new`;
  try {
    writeFileSync(written, JSON.stringify(record), { mode: 0o644 });
    linkSync(written, path);
    return true;
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'EEXIST') return false;
    throw thrown;
  } finally {
    rmSync(written, { force: true });
  }
}

/** The lock's content; empty when there is none. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return '';
    throw thrown;
  }
}

/** Undefined for a lock cut short by a crash: nobody holds it. */
function parseLock(text: string): LockRecord | undefined {
  try {
    const record: unknown = JSON.parse(text);
    return isLockRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Removes a lock that nobody holds, and no other: of two processes that found the same stale lock,
 * the slower one may get hold of the faster one's new lock, sees that it is another, and puts it back.
 */
function removeStale(path: string, staleText: string): void {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readText(aside) !== staleText) linkSync(aside, path);
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code !== 'ENOENT' && code !== 'EEXIST') throw thrown;
  }
  rmSync(aside, { force: true });
}

function isLockRecord(value: unknown): value is LockRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'startTicks' in value
  );
}

function isRunning(holder: LockRecord): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ESRCH') return false;
  }
  const ticks = startTicks(holder.pid);
  return ticks === undefined || holder.startTicks === '' || ticks === holder.startTicks;
}

/** Field 22 of /proc/PID/stat; undefined where there is no /proc. */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
