// The encoding of one record: two lengths, then the bytes of key and value. Run files of the loader
// and segments share it, so a record is copied from one to the other unchanged.
//
//     +------------------+--------------------+-----------+-------------+
//     | key length       | value length       | key bytes | value bytes |
//     | varint, 1-3 B    | varint, 1-4 B      |           |             |
//     +------------------+--------------------+-----------+-------------+
//     ^ record offset                         ^ keyStart  ^ valueStart  ^ end
//
// A varint is unsigned LEB128: seven bits per byte, lowest first, the top bit set on all but the
// last byte. Only the shortest form is valid; otherwise a record would have several encodings, and
// the same records would not always give the same file.
//
// Hot loop: plain functions over numbers; bounds go into an object that the caller keeps.

import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../base/limits.ts';

/**
 * The bounds of the parts of one record. Allocated once by the caller, filled by `decodeRecord`.
 */
export interface RecordBounds {
  keyStart: number;
  /** Also the end of the key. */
  valueStart: number;
  /** End of the value and of the record. */
  end: number;
}

export function newRecordBounds(): RecordBounds {
  return { keyStart: 0, valueStart: 0, end: 0 };
}

/** Bytes that the varint of `value` (below 2^28) takes. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

/** Bytes that a whole record takes. */
export function recordBytes(keyBytes: number, valueBytes: number): number {
  return varintBytes(keyBytes) + varintBytes(valueBytes) + keyBytes + valueBytes;
}

/** Writes the varint of `value` (below 2^28) at `at`; returns the offset after it. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    out[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  out[at++] = value;
  return at;
}

/**
 * Writes a record at `at` of `out`, which must have room for it (`recordBytes`), with the key
 * `keys[keyStart, keyEnd)` and the value `values[valueStart, valueEnd)`. Lengths must be within
 * KEY_BYTES_MAX and VALUE_BYTES_MAX. Returns the offset after the record.
 */
export function writeRecord(
  out: Uint8Array,
  at: number,
  keys: Uint8Array,
  keyStart: number,
  keyEnd: number,
  values: Uint8Array,
  valueStart: number,
  valueEnd: number,
): number {
  at = writeVarint(out, at, keyEnd - keyStart);
  at = writeVarint(out, at, valueEnd - valueStart);
  at = copyBytes(out, at, keys, keyStart, keyEnd);
  return copyBytes(out, at, values, valueStart, valueEnd);
}

/**
 * Decodes the record at `at`, which must end at or before `limit`. Returns false, with `bounds`
 * undefined, if there is no valid record: truncated, over a limit, or with a varint that is not in
 * its shortest form.
 */
export function decodeRecord(
  bytes: Uint8Array,
  at: number,
  limit: number,
  bounds: RecordBounds,
): boolean {
  if (at + 2 > limit) return false;
  let keyBytes = bytes[at++] as number;
  if (keyBytes >= 0x80) {
    keyBytes = readLongVarint(bytes, at - 1, limit);
    if (keyBytes < 0 || keyBytes > KEY_BYTES_MAX) return false;
    at += varintBytes(keyBytes) - 1;
  }
  if (at >= limit) return false;
  let valueBytes = bytes[at++] as number;
  if (valueBytes >= 0x80) {
    valueBytes = readLongVarint(bytes, at - 1, limit);
    if (valueBytes < 0 || valueBytes > VALUE_BYTES_MAX) return false;
    at += varintBytes(valueBytes) - 1;
  }
  const end = at + keyBytes + valueBytes;
  bounds.keyStart = at;
  bounds.valueStart = at + keyBytes;
  bounds.end = end;
  return end <= limit;
}

/**
 * Reads a varint of up to four bytes. Returns -1 if it is truncated, longer, or not in its shortest
 * form.
 */
export function readLongVarint(bytes: Uint8Array, at: number, limit: number): number {
  let value = 0;
  for (let shift = 0; shift < 28 && at < limit; shift += 7) {
    const byte = bytes[at++] as number;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return byte === 0 && shift > 0 ? -1 : value;
  }
  return -1;
}

/** Below this, a loop in JavaScript beats the call into the engine's memmove. */
const COPY_LOOP_BYTES_MAX = 128;

function copyBytes(
  out: Uint8Array,
  at: number,
  from: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start > COPY_LOOP_BYTES_MAX) {
    out.set(from.subarray(start, end), at);
    return at + (end - start);
  }
  while (start < end) out[at++] = from[start++] as number;
  return at;
}

/**
 * Copies `from[start, start + byteCount)` to `at`, four bytes at a time. For short records this is
 * faster than the engine's memmove, which costs an object.
 */
export function copyWords(
  to: DataView,
  at: number,
  from: DataView,
  start: number,
  byteCount: number,
): void {
  const end = start + byteCount;
  for (; start + 4 <= end; start += 4, at += 4) to.setInt32(at, from.getInt32(start, true), true);
  for (; start < end; start++, at++) to.setUint8(at, from.getUint8(start));
}
