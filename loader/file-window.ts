// A file as a ByteSource: one window of it is in memory, moved where it is asked for. Reads are
// synchronous: the cutting into chunks runs at memory speed and once a load.

import { readSync } from 'node:fs';
import { SteleError } from '../base/errors.ts';
import { indexOfByte } from './csv-records.ts';
import type { ByteSource } from './csv-records.ts';

export class FileWindow implements ByteSource {
  readonly end: number;
  readonly #file: number;
  readonly #window: Buffer;
  #windowStart = 0;
  #windowLength = 0;

  /** `file` stays the caller's to close; `end` is its size. */
  constructor(file: number, end: number, windowBytes: number) {
    this.#file = file;
    this.end = end;
    this.#window = Buffer.allocUnsafeSlow(Math.max(1, Math.min(windowBytes, end)));
  }

  /** -1 behind the end. */
  byteAt(offset: number): number {
    if (offset < 0 || offset >= this.end) return -1;
    this.#moveTo(offset);
    return this.#window[offset - this.#windowStart] ?? -1;
  }

  indexOf(byte: number, from: number, limit: number): number {
    const last = Math.min(limit, this.end);
    let at = from;
    while (at < last) {
      this.#moveTo(at);
      const windowEnd = Math.min(last, this.#windowStart + this.#windowLength);
      const base = this.#windowStart;
      const found = indexOfByte(this.#window, byte, at - base, windowEnd - base);
      if (found >= 0) return base + found;
      at = windowEnd;
    }
    return -1;
  }

  #moveTo(offset: number): void {
    if (offset >= this.#windowStart && offset < this.#windowStart + this.#windowLength) return;
    this.#windowStart = offset;
    const wanted = Math.min(this.#window.length, this.end - offset);
    this.#windowLength = readFully(this.#file, this.#window, wanted, offset);
    if (this.#windowLength === wanted) return;
    throw new SteleError('INPUT_CHANGED', 'An input file became shorter while it was being read.');
  }
}

/** Reads `byteCount` bytes at `position` into the start of `into`; less only at the file's end. */
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
