// Bytes that grow: where keys and values go that are not slices of the input (JSON objects made
// of several columns or members). Offsets into it stay valid when it grows; views of `bytes` do not.

import { SteleError } from '../base/errors.ts';

const ARENA_BYTES_INITIAL = 1024 * 1024;
/** Offsets are 32 bits, and a run must fit into one buffer. */
const ARENA_BYTES_MAX = 2 ** 31 - 1;

export interface Arena {
  bytes: Buffer;
  length: number;
}

export function newArena(): Arena {
  return { bytes: Buffer.allocUnsafeSlow(ARENA_BYTES_INITIAL), length: 0 };
}

/** Makes room for `byteCount` more bytes. */
export function reserve(arena: Arena, byteCount: number): void {
  const needed = arena.length + byteCount;
  if (needed <= arena.bytes.length) return;
  if (needed > ARENA_BYTES_MAX) {
    throw new SteleError(
      'INPUT_INVALID',
      'The rows of one chunk become more than 2 GiB; use a smaller --chunk-size.',
    );
  }
  const capacity = Math.min(ARENA_BYTES_MAX, Math.max(needed, arena.bytes.length * 2));
  const bytes = Buffer.allocUnsafeSlow(capacity);
  bytes.set(arena.bytes.subarray(0, arena.length));
  arena.bytes = bytes;
}

export function appendBytes(arena: Arena, from: Uint8Array, start: number, end: number): void {
  reserve(arena, end - start);
  const { bytes } = arena;
  let at = arena.length;
  if (end - start > 128) bytes.set(from.subarray(start, end), at);
  else for (let index = start; index < end; index++) bytes[at++] = from[index] as number;
  arena.length += end - start;
}

export function appendByte(arena: Arena, byte: number): void {
  reserve(arena, 1);
  arena.bytes[arena.length++] = byte;
}
