// Files that survive a crash: written completely under a temporary name, synced, renamed, folder
// synced.
//
// Rename is atomic but not durable, so the order is: write, fsync(file), rename, fsync(folder).
// After a failed fsync the kernel may have dropped the dirty pages, and a second fsync would report
// success wrongly (https://wiki.postgresql.org/wiki/Fsync_Errors). So the temporary file is removed
// and the error is thrown; nothing here retries.

import { dirname } from 'node:path';
import { SteleError, toSteleError } from '../errors.ts';
import { DISK_TAKES_NO_MORE, systemFiles } from './files.ts';
import type { Files, OpenFile } from './files.ts';

/** A system call writes less than 2 GiB. */
const WRITE_BYTES = 256 * 1024 * 1024;
const SMALL_WRITE_BYTES = 128 * 1024;

/**
 * Writes all of `bytes` at the handle's position. Turns a short write without an error into
 * DISK_FULL.
 */
export async function writeFully(file: Pick<OpenFile, 'write'>, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    if (bytesWritten === 0) {
      throw new SteleError('DISK_FULL', DISK_TAKES_NO_MORE);
    }
    done += bytesWritten;
  }
}

/** Writes a new file with `bytes` and syncs it. Its name is not durable yet. */
export async function writeNewFile(
  path: string,
  bytes: Uint8Array,
  files = systemFiles,
): Promise<void> {
  const file = await files.open(path, 'wx', 0o644);
  try {
    await writeFully(file, bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Like `writeNewFile`, but blocking, for worker threads. Calls `yieldIfDue`, if given, between
 * small writes.
 */
export function writeFileSynced(path: string, bytes: Uint8Array, yieldIfDue?: () => void): void {
  const pieceBytes = yieldIfDue === undefined ? WRITE_BYTES : SMALL_WRITE_BYTES;
  const file = systemFiles.openBlocking(path, 'wx');
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      file.write(bytes.subarray(at, at + pieceBytes), at);
      yieldIfDue?.();
    }
    file.sync();
  } finally {
    file.close();
  }
}

/** Makes a folder's entries (a rename, an unlink) durable. */
export function syncFolder(folder: string, files = systemFiles): Promise<void> {
  return syncFile(folder, files);
}

/** Makes what was written to a file durable. */
export async function syncFile(path: string, files = systemFiles): Promise<void> {
  const handle = await files.open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes one folder's entries durable for many callers at once. A sync covers every rename made
 * before it began, so callers that arrive while one is running share the next.
 */
export class FolderSync {
  readonly #folder: string;
  readonly #files: Files;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(folder: string, files = systemFiles) {
    this.#folder = folder;
    this.#files = files;
  }

  /** Resolves when everything done in the folder before this call is durable. */
  sync(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    const after = (): Promise<void> => {
      this.#next = undefined;
      return this.#start();
    };
    this.#next ??= this.#running.then(after, after);
    return this.#next;
  }

  #start(): Promise<void> {
    const running = syncFolder(this.#folder, this.#files).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}

/**
 * Replaces `path` durably and atomically with the concatenated `parts`: after a crash either the
 * old or the new file is there. A generator produces each part after the one before it is written.
 * `temporaryPath` must be in the same file system.
 */
export async function writeFileDurable(
  path: string,
  parts: Iterable<Uint8Array>,
  temporaryPath = `${path}.tmp`,
  files = systemFiles,
  mode = 0o644,
): Promise<void> {
  try {
    const file = await files.open(temporaryPath, 'w', mode);
    try {
      for (const part of parts) await writeFully(file, part);
      await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(temporaryPath, path);
    await syncFolder(dirname(path), files);
  } catch (thrown) {
    await files.rm(temporaryPath, { force: true });
    throw toSteleError(thrown, 'IO');
  }
}
