// The hand-packed bytes of lookups (lookup-protocol.ts).
//
//   key entry     target u16 LE | key length u32 LE | key
//   result entry  status u8     | value length u32 LE | value
//
// Hot: one pass, no object per entry. The readers check every length against the end of the bytes,
// because the other side may be anybody.

import { SteleError } from '../base/errors.ts';
import { KEY_BYTES_MAX } from '../base/limits.ts';
import type { LookupStatus } from './gen/stele/v1/lookup.ts';
import { LookupStatus as Status } from './gen/stele/v1/lookup.ts';

const KEY_HEADER_BYTES = 6;
const RESULT_HEADER_BYTES = 5;

const NO_BYTES: Buffer = Buffer.alloc(0);
const CAPACITY_BYTES_MIN = 1024;
const CAPACITY_BYTES_MAX = 256 * 1024;

/** A growing buffer that entries are appended to; `take` hands it over and starts afresh. */
export class PackedWriter {
  readonly #headBytes: number;
  #buffer = NO_BYTES;
  /** What was taken last. */
  #taken = NO_BYTES;
  #length: number;
  #count = 0;
  #expectedBytes: number;

  /** `expectedBytes` is what is reserved at first, within reason; `headBytes` are left free before the entries. */
  constructor(expectedBytes = 4096, headBytes = 0) {
    this.#expectedBytes = expectedBytes;
    this.#headBytes = headBytes;
    this.#length = headBytes;
  }

  /** Of the entries. */
  get byteLength(): number {
    return this.#length - this.#headBytes;
  }

  get count(): number {
    return this.#count;
  }

  addKey(target: number, key: Uint8Array): void {
    const at = this.#reserve(KEY_HEADER_BYTES + key.length);
    this.#buffer.writeUInt16LE(target, at);
    this.#buffer.writeUInt32LE(key.length, at + 2);
    this.#buffer.set(key, at + KEY_HEADER_BYTES);
  }

  /** Copies source[start, end) as the value of one result. */
  addResult(status: LookupStatus, source: Uint8Array, start: number, end: number): void {
    const at = this.#reserve(RESULT_HEADER_BYTES + end - start);
    this.#buffer[at] = status;
    this.#buffer.writeUInt32LE(end - start, at + 1);
    if (end > start) this.#buffer.set(source.subarray(start, end), at + RESULT_HEADER_BYTES);
  }

  /** Appends so many bytes that are no entry; `write` puts them at `at`. */
  addTail(byteCount: number, write: (bytes: Buffer, at: number) => void): void {
    const at = this.#reserve(byteCount);
    this.#count--;
    write(this.#buffer, at);
  }

  /** Head and entries so far, now the caller's. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    // The next one will be about as long; a quarter more, so that it seldom has to grow.
    this.#expectedBytes = this.#length * 1.25;
    this.#taken = this.#buffer;
    this.#buffer = NO_BYTES;
    this.#length = this.#headBytes;
    this.#count = 0;
    return taken;
  }

  /** What was taken last is not needed any more: its memory may be written again. */
  giveBack(): void {
    const isFresh = this.#buffer.length === 0;
    if (isFresh && this.#taken.length <= CAPACITY_BYTES_MAX) this.#buffer = this.#taken;
    this.#taken = NO_BYTES;
  }

  #reserve(byteCount: number): number {
    const at = this.#length;
    if (at + byteCount > this.#buffer.length) {
      const isFirst = at === this.#headBytes;
      const capacityBytes = isFirst ? capacityFor(this.#expectedBytes) : this.#buffer.length * 2;
      const grown = Buffer.allocUnsafe(Math.max(capacityBytes, at + byteCount));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.#length = at + byteCount;
    this.#count++;
    return at;
  }
}

function capacityFor(byteCount: number): number {
  return Math.max(CAPACITY_BYTES_MIN, Math.min(CAPACITY_BYTES_MAX, Math.ceil(byteCount)));
}

/** Calls `onKey(index, target, start, end)` for each entry of a request. Throws INVALID_ARGUMENT. */
export function readKeys(
  packed: Buffer,
  count: number,
  onKey: (index: number, target: number, start: number, end: number) => void,
): void {
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + KEY_HEADER_BYTES > packed.length) throw malformed('key', index);
    const target = packed.readUInt16LE(at);
    const start = at + KEY_HEADER_BYTES;
    const end = start + packed.readUInt32LE(at + 2);
    if (end > packed.length || end - start > KEY_BYTES_MAX) throw malformed('key', index);
    onKey(index, target, start, end);
    at = end;
  }
  if (at !== packed.length) throw malformed('key', count);
}

/** Calls `onResult(index, status, start, end)` for each entry in packed[from, to). Throws INVALID_ARGUMENT. */
export function readResults(
  packed: Buffer,
  from: number,
  to: number,
  count: number,
  onResult: (index: number, status: LookupStatus, start: number, end: number) => void,
): void {
  let at = from;
  for (let index = 0; index < count; index++) {
    if (at + RESULT_HEADER_BYTES > to) throw malformed('result', index);
    const status = statusOf(packed[at]);
    const start = at + RESULT_HEADER_BYTES;
    const end = start + packed.readUInt32LE(at + 1);
    if (end > to) throw malformed('result', index);
    onResult(index, status, start, end);
    at = end;
  }
  if (at !== to) throw malformed('result', count);
}

function statusOf(byte: number | undefined): LookupStatus {
  if (byte === Status.OK) return Status.OK;
  if (byte === Status.NOT_FOUND) return Status.NOT_FOUND;
  return Status.UNAVAILABLE;
}

function malformed(what: string, index: number): SteleError {
  return new SteleError('INVALID_ARGUMENT', `The packed ${what} number ${index} is malformed.`);
}
