// A file as a ByteSource: one window of it is in memory and moves to the requested offset. Reads
// are synchronous: cutting into chunks runs at memory speed and once per load.

import { closeSync, openSync, readSync } from 'node:fs';
import { SteleError } from '../../base/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { wordsOf } from './word-scan.ts';

export class FileWindow implements ByteSource {
  readonly end: number;
  readonly #file: number;
  readonly #memory: Buffer;
  /** The bytes of the file from `#start`. */
  #window: Buffer;
  #words: DataView;
  #start = 0;

  /** The caller closes `file`; `end` is its size. */
  constructor(file: number, end: number, windowBytes: number) {
    this.#file = file;
    this.end = end;
    this.#memory = Buffer.allocUnsafeSlow(Math.max(1, Math.min(windowBytes, end)));
    this.#window = this.#memory.subarray(0, 0);
    this.#words = wordsOf(this.#window);
  }

  byteAt(offset: number): number {
    if (offset < 0 || offset >= this.end) return -1;
    this.#moveTo(offset);
    return this.#window[offset - this.#start] ?? -1;
  }

  find(byte: number, from: number, limit: number): number {
    const last = Math.min(limit, this.end);
    let at = from;
    while (at < last) {
      this.#moveTo(at);
      const found = this.#window.indexOf(byte, at - this.#start);
      if (found >= 0) return this.#start + found;
      at = this.#start + this.#window.length;
    }
    return -1;
  }

  get viewStart(): number {
    return this.#start;
  }

  /** `offset` must be in the file. The view is valid until the next call of any method. */
  viewAt(offset: number): DataView {
    this.#moveTo(offset);
    return this.#words;
  }

  #moveTo(offset: number): void {
    if (offset >= this.#start && offset < this.#start + this.#window.length) return;
    const wanted = Math.min(this.#memory.length, this.end - offset);
    const got = readFully(this.#file, this.#memory, wanted, offset);
    this.#start = offset;
    this.#window = this.#memory.subarray(0, got);
    this.#words = wordsOf(this.#window);
    if (got === wanted) return;
    throw new SteleError(
      'INPUT_CHANGED',
      'An input file became shorter while it was being read; load it again when it is complete.',
    );
  }
}

/**
 * Reads `byteCount` bytes at `position` into the start of `into`. Returns fewer only at the end of
 * the file.
 */
export function readFully(
  file: number,
  into: Uint8Array,
  byteCount: number,
  position: number,
): number {
  let done = 0;
  while (done < byteCount) {
    const got = readSync(file, into, done, byteCount - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** `[start, end)` of a file; shorter if the file has become shorter. */
export function readRange(path: string, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  const file = openSync(path, 'r');
  try {
    return bytes.subarray(0, readFully(file, bytes, bytes.length, start));
  } finally {
    closeSync(file);
  }
}
