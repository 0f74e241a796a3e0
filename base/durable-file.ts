// Files that survive a crash: written whole under a temporary name, synced, renamed, folder synced.
//
// Rename is atomic but not durable, so the order is: write, fsync(file), rename, fsync(folder).
// After a failed fsync the kernel may have dropped the dirty pages and a second fsync would lie
// (https://wiki.postgresql.org/wiki/Fsync_Errors): the temporary file is removed and the error
// goes up; nothing here retries.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SteleError, toSteleError } from './errors.ts';

/** A system call writes less than 2 GiB. */
const WRITE_BYTES = 256 * 1024 * 1024;
const SMALL_WRITE_BYTES = 128 * 1024;
const DISK_TAKES_NO_MORE = 'The disk took no more bytes; free some space on it.';

/** Writes all of `bytes` at the handle's position; a short write without an error becomes one. */
export async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    if (bytesWritten === 0) {
      throw new SteleError('DISK_FULL', DISK_TAKES_NO_MORE);
    }
    done += bytesWritten;
  }
}

/** A new file with `bytes`, synced. Its name is not durable yet. */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    await writeFully(file, bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The same for a thread that may wait; with `rest`, which is called in between, in small pieces. */
export function writeFileSynced(path: string, bytes: Uint8Array, rest?: () => void): void {
  const pieceBytes = rest === undefined ? WRITE_BYTES : SMALL_WRITE_BYTES;
  const file = openSync(path, 'wx', 0o644);
  try {
    for (let done = 0; done < bytes.length;) {
      const written = writeSync(file, bytes, done, Math.min(pieceBytes, bytes.length - done));
      if (written === 0) throw new SteleError('DISK_FULL', DISK_TAKES_NO_MORE);
      done += written;
      rest?.();
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes a folder's entries (a rename, an unlink) durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes one folder's entries durable for many callers at once: a sync covers every rename made
 * before it began, so those that ask while one is running share the next.
 */
export class FolderSync {
  readonly #folder: string;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
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
    const running = syncFolder(this.#folder).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}

/**
 * Replaces `path` by `parts` one after the other, durably and all at once: after a crash there is
 * either the old file or the new one. A generator makes each part when the one before it is written.
 * `temporaryPath` must be in the same file system.
 */
export async function writeFileDurable(
  path: string,
  parts: Iterable<Uint8Array>,
  temporaryPath = `${path}.tmp`,
): Promise<void> {
  try {
    const file = await open(temporaryPath, 'w', 0o644);
    try {
      for (const part of parts) await writeFully(file, part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporaryPath, path);
    await syncFolder(dirname(path));
  } catch (thrown) {
    await rm(temporaryPath, { force: true });
    throw toSteleError(thrown, 'IO');
  }
}
