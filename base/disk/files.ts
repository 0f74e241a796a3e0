// The file operations that a datanode uses, as an interface over `node:fs`, so that a simulation can
// substitute a disk that crashes, fills up and hangs.

import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import * as promises from 'node:fs/promises';
import { SteleError, systemErrorCode } from '../errors.ts';

/** An open file. `close` must be called. */
export interface OpenFile {
  /** Reads at most `length` bytes from `position` into `buffer` at `offset`. */
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  /**
   * Writes up to `length` bytes of `buffer` from `offset` at the file's position. May write fewer.
   */
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Promise<{ readonly bytesWritten: number }>;
  /** Resolves when written data survives a power cut. For a folder: when its entries do. */
  sync(): Promise<void>;
  stat(): Promise<{ readonly size: number }>;
  close(): Promise<void>;
}

/** An open file whose operations block: for worker threads. `close` must be called. */
export interface BlockingFile {
  readonly byteLength: number;
  /** Fills `into` from `position` on. Throws CORRUPT if the file ends before or cannot be read. */
  read(into: Uint8Array, position: number): void;
  /** Writes all of `bytes` at `position`. Throws DISK_FULL, and the system's error. */
  write(bytes: Uint8Array, position: number): void;
  sync(): void;
  close(): void;
}

/** The part of a `stat` result that is used. */
interface FileFacts {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

/**
 * Each operation rejects with the system's error; `systemErrorCode` in errors.ts returns its code.
 */
export interface Files {
  open(path: string, flags: 'r' | 'w' | 'wx', mode?: number): Promise<OpenFile>;
  /** `r+`: to read and write. `wx`: a new file, of mode 0644. */
  openBlocking(path: string, flags: 'r' | 'r+' | 'wx'): BlockingFile;
  readFile(path: string): Promise<Buffer>;
  writeFile(path: string, text: string): Promise<void>;
  appendFile(path: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  rm(
    path: string,
    options?: { readonly force?: boolean; readonly recursive?: boolean },
  ): Promise<void>;
  /** Resolves to the first folder that was created; undefined if all existed. */
  mkdir(path: string, options: { readonly recursive: true }): Promise<string | undefined>;
  readdir(path: string): Promise<string[]>;
  stat(path: string): Promise<FileFacts>;
  statfs(path: string): Promise<{ readonly bavail: number; readonly bsize: number }>;
  /** Rejects if this process may not access the path in the given `mode` (`constants.R_OK` ...). */
  access(path: string, mode: number): Promise<void>;
  utimes(path: string, accessed: Date, modified: Date): Promise<void>;
}

/** The files of this machine. */
export const systemFiles: Files = { ...promises, openBlocking };

export const DISK_TAKES_NO_MORE = 'The disk took no more bytes; free some space on it.';

function openBlocking(path: string, flags: 'r' | 'r+' | 'wx'): BlockingFile {
  const file = openSync(path, flags, 0o644);
  return {
    byteLength: fstatSync(file).size,
    read: (into, position) => readFully(file, path, into, position),
    write: (bytes, position) => {
      for (let done = 0; done < bytes.length;) {
        const written = writeSync(file, bytes, done, bytes.length - done, position + done);
        if (written === 0) throw new SteleError('DISK_FULL', DISK_TAKES_NO_MORE);
        done += written;
      }
    },
    sync: () => fsyncSync(file),
    close: () => closeSync(file),
  };
}

function readFully(file: number, path: string, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length;) {
    const at = position + done;
    let got: number;
    try {
      got = readSync(file, into, done, into.length - done, at);
    } catch (thrown) {
      if (systemErrorCode(thrown) !== 'EIO') throw thrown;
      const text = `The disk cannot read ${path} at byte ${at}.`;
      throw new SteleError('CORRUPT', text, { cause: thrown });
    }
    if (got === 0) throw new SteleError('CORRUPT', `${path} ends at byte ${at}.`);
    done += got;
  }
}
