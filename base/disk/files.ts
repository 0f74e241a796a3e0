// The file operations that a datanode uses, as an interface over `node:fs/promises`, so that a
// simulation can substitute a disk that crashes, fills up and hangs.

import * as promises from 'node:fs/promises';

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
export const systemFiles: Files = promises;
