// One process per folder, by a lock of the operating system on the file LOCK.
//
// The system releases the lock when its holder ends, however it ends. The lock holds across PID
// namespaces, containers and, if the file system supports locks between machines (NFS does), hosts.
// The content only serves the error message:
//
//   LOCK:  {"pid":123,"host":"db-1","role":"master","since":"2026-..."}
//
// Linux: open file description locks (fcntl F_OFD_SETLK); macOS: flock(2); Windows: LockFileEx.
//
// Invariants: `release` never removes the file, so two processes cannot hold locks on two files of
// one name; the content is overwritten in place with a fixed length, which needs no new block on a
// full disk.

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
import { wallClockIso } from '../clock.ts';
import { SteleError, systemErrorCode } from '../errors.ts';
import { makeFolder } from './make-folder.ts';

interface LockRecord {
  /** Process id in the holder's PID namespace; 0 if the content cannot be read. */
  readonly pid: number;
  readonly host: string;
  readonly role: string;
  readonly since: string;
}

/** A held lock. The system also releases it when the process ends. */
export interface FolderLock {
  release(): void;
}

const RECORD_BYTES = 512;
const ATTEMPTS = 5;
const ATTEMPT_PAUSE_MS = 10;

/**
 * Locks `folder`, and creates it if missing. Throws LOCKED, which names the process that holds it,
 * and IO or DISK_FULL with an explanation if the folder cannot be used.
 */
export function lockFolder(folder: string, role: string): FolderLock {
  const path = join(folder, 'LOCK');
  try {
    // Retries: `lockHolder` in another process holds a shared lock for a moment, and a work folder
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

/** The process that holds the lock of `folder`; undefined if none does. */
export function lockHolder(folder: string): LockRecord | undefined {
  const path = join(folder, 'LOCK');
  return isLocked(path, 'r') ? readRecord(path) : undefined;
}

/**
 * Whether another open file, in this process or any other, holds a lock on `path`, shared or
 * exclusive: on any part of it, or on the byte at `offset`.
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
  // LOCK may exist already, in a folder in which no other file can be created.
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  let isTaken = false;
  try {
    // The opened file may have been deleted before it was locked; the lock is then worthless.
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
    // Disk full: the lock is held anyway, but another process cannot name this one as its holder.
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
    // Empty or unreadable: see `held`.
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
 * Loads the lock functions on first use, so that verbs without a folder run on machines for which
 * the package has no binary. Node.js has no file locks; the package brings prebuilt binaries.
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

/**
 * On musl (Alpine) the package looks for a musl binary, although the one for glibc can be loaded.
 */
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
  ELOOP: 'its symbolic links form a loop; fix them',
  EROFS: 'its file system is read-only; mount it for writing',
  ENAMETOOLONG: 'the path is too long; choose a shorter one',
  ENOLCK: 'its file system has no locks; choose one that has',
  ENOTSUP: 'its file system has no locks; choose one that has',
  EMFILE: 'the process has no file descriptors left; raise `ulimit -n`',
};

/** Explains a system error about a data folder; returns other errors unchanged. */
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

/** On a read-only file system, mkdir with `recursive` reports ENOENT. */
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
