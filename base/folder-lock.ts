// One process per folder, by a lock of the operating system on the file LOCK.
//
// The system drops the lock when its holder ends, however it ends. It holds across PID namespaces, containers
// and, where the file system supports locks between machines (NFS does), hosts. The content is for the
// message only:
//
//   LOCK:  {"pid":123,"host":"db-1","role":"master","since":"2026-..."}
//
// Linux: open file description locks (fcntl F_OFD_SETLK); macOS: flock(2); Windows: LockFileEx.
//
// Invariants: `release` never removes the file, so two processes cannot hold locks on two files of one
// name; the content is overwritten in place, always of one length, which needs no new block of a full disk.

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { wallClockIso } from './clock.ts';
import { SteleError, systemErrorCode } from './errors.ts';
import { makeFolder } from './make-folder.ts';

interface LockRecord {
  /** In the PID namespace of the holder; 0 where the content cannot be read. */
  readonly pid: number;
  readonly host: string;
  readonly role: string;
  readonly since: string;
}

/** A held lock; the system releases it as well when the process ends. */
export interface FolderLock {
  release(): void;
}

const RECORD_BYTES = 512;
const ATTEMPTS = 5;
const ATTEMPT_PAUSE_MS = 10;

/**
 * Takes the lock of `folder` (made if missing). Throws LOCKED, which names the process that holds it, and
 * IO or DISK_FULL with a sentence where the folder cannot be used.
 */
export function lockFolder(folder: string, role: string): FolderLock {
  const path = join(folder, 'LOCK');
  try {
    // More than once: `lockHolder` of another process holds a shared lock for a moment, and a work folder
    // may be deleted by the process that held it before.
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const file = tryTake(folder, path);
      if (file !== undefined) return held(file, role);
      pause(ATTEMPT_PAUSE_MS);
    }
  } catch (thrown) {
    throw folderError(thrown, folder);
  }
  throw lockedError(folder, readRecord(path));
}

/** The process that holds the lock of `folder`; undefined where none does. */
export function lockHolder(folder: string): LockRecord | undefined {
  const path = join(folder, 'LOCK');
  return isLocked(path, 'r') ? readRecord(path) : undefined;
}

/**
 * Whether another open file, of this process or of any other, holds a lock of `path`, shared or not: of any part
 * of it, or of the byte at `offset`.
 */
export function isFileLocked(path: string, offset?: number): boolean {
  return offset === undefined ? isLocked(path, 'r+') : isLocked(path, 'r+', offset, 1);
}

/** `byteCount` 0: to the end. */
function isLocked(path: string, mode: 'r' | 'r+', offset = 0, byteCount = 0): boolean {
  let file: number;
  try {
    file = openSync(path, mode);
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return false;
    throw thrown;
  }
  try {
    return !tryLock()(file, offset, byteCount, { shared: mode === 'r' });
  } finally {
    closeSync(file);
  }
}

/** The locked file; undefined while another process holds it. */
function tryTake(folder: string, path: string): number | undefined {
  makeFolder(folder);
  // LOCK may be there already, in a folder that takes no other files.
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  let isTaken = false;
  try {
    // What was opened may have been deleted before it was locked: then it is nobody's lock.
    isTaken = tryLock()(file) && isAt(path, file);
  } finally {
    if (!isTaken) closeSync(file);
  }
  return isTaken ? file : undefined;
}

function isAt(path: string, file: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  const { ino, dev } = fstatSync(file);
  return found?.ino === ino && found.dev === dev;
}

function held(file: number, role: string): FolderLock {
  const record: LockRecord = { pid: process.pid, host: hostname(), role, since: wallClockIso() };
  try {
    writeSync(file, `${JSON.stringify(record).padEnd(RECORD_BYTES - 1)}\n`, 0);
  } catch {
    // A full disk: the lock is held all the same, and a message of another process will not name this one.
  }
  let isReleased = false;
  const release = (): void => {
    if (!isReleased) closeSync(file);
    isReleased = true;
  };
  return { release };
}

function readRecord(path: string): LockRecord {
  try {
    const record: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isLockRecord(record)) return record;
  } catch {
    // Empty, or not readable: see `held`.
  }
  return { pid: 0, host: '', role: '', since: '' };
}

function isLockRecord(value: unknown): value is LockRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, host, role, since } = value as Partial<Record<keyof LockRecord, unknown>>;
  return typeof pid === 'number' && [host, role, since].every((one) => typeof one === 'string');
}

function lockedError(folder: string, { pid, host, role, since }: LockRecord): SteleError {
  const where = host === hostname() ? '' : ` on host ${host}`;
  const who = pid === 0 ? 'another process' : `${role} process ${pid}${where} (since ${since})`;
  return new SteleError(
    'LOCKED',
    `The data folder ${folder} is in use by ${who}; stop it, or use another --data-dir.`,
  );
}

type TryLock = (
  file: number,
  offset?: number,
  length?: number,
  options?: { readonly shared: boolean },
) => boolean;

let loadedTryLock: TryLock | undefined;

/**
 * Node.js has no file locks. The package carries its binaries within it; it is loaded by the first lock, so
 * that verbs without a folder run on machines that it has none for.
 */
function tryLock(): TryLock {
  if (loadedTryLock !== undefined) return loadedTryLock;
  const require = createRequire(import.meta.url);
  try {
    loadedTryLock = (require('fs-native-extensions') as { tryLock: TryLock }).tryLock;
  } catch (thrown) {
    loadedTryLock = tryLockOfMusl(require, thrown);
  }
  return loadedTryLock;
}

/** The package looks for a binary of its own for musl (Alpine), where that for glibc can be loaded as well. */
function tryLockOfMusl(require: NodeJS.Require, cause: unknown): TryLock {
  const { platform, arch } = process;
  const name = `fs-native-extensions/prebuilds/${platform}-${arch}/fs-native-extensions.node`;
  try {
    const native = require(name) as {
      tryLock(file: number, offset: number, length: number, isExclusive: boolean): void;
    };
    return (file, offset = 0, length = 0, options = { shared: false }) => {
      try {
        native.tryLock(file, offset, length, !options.shared);
        return true;
      } catch (thrown) {
        if (systemErrorCode(thrown) === 'EAGAIN') return false;
        throw thrown;
      }
    };
  } catch {
    const text = `Stele cannot lock folders on this machine (${platform} ${arch}): fs-native-extensions has no binary for it.`;
    throw new SteleError('UNSUPPORTED', text, { cause });
  }
}

const FOLDER_REASONS: Readonly<Record<string, string>> = {
  EACCES: 'the user of this process may not use it; give that user access',
  EPERM: 'the system does not permit it; check its owner and attributes',
  ENOTDIR: 'a part of the path is a file and not a folder; choose another path',
  EEXIST: 'it is a file and not a folder; choose another path',
  EISDIR: 'LOCK in it is a folder and not a file; remove that',
  ELOOP: 'its symbolic links go round in a circle; mend them',
  EROFS: 'its file system is read-only; mount it for writing',
  ENAMETOOLONG: 'the path is too long; choose a shorter one',
  ENOLCK: 'its file system has no locks; choose one that has',
  ENOTSUP: 'its file system has no locks; choose one that has',
  EMFILE: 'the process has no file descriptors left; raise `ulimit -n`',
};

/** A system error about a data folder as a sentence; everything else as it is. */
function folderError(thrown: unknown, folder: string): unknown {
  const code = systemErrorCode(thrown);
  if (thrown instanceof SteleError || code === undefined) return thrown;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const text = `The disk of the data folder ${folder} is full (${code}); free some space on it, or use another --data-dir.`;
    return new SteleError('DISK_FULL', text, { cause: thrown });
  }
  const named = code === 'ENOENT' && isReadOnly(folder) ? 'EROFS' : code;
  const reason = FOLDER_REASONS[named] ?? 'the system refuses it; choose another path';
  const text = `The data folder ${folder} cannot be used (${named}): ${reason}, or use another --data-dir.`;
  return new SteleError('IO', text, { cause: thrown });
}

/** mkdir with `recursive` says ENOENT on a file system that is read-only. */
function isReadOnly(folder: string): boolean {
  let there = resolve(folder);
  while (!existsSync(there)) there = dirname(there);
  try {
    accessSync(there, constants.W_OK);
    return false;
  } catch (thrown) {
    return systemErrorCode(thrown) === 'EROFS';
  }
}

function pause(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}
