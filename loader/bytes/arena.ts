// Bytes that grow: where keys and values go that are not slices of the input (JSON objects made
// of several columns or members). Offsets into it stay valid when it grows; views of `bytes` do not.

import { SteleError } from '../../base/errors.ts';
import { growTo, outgrown } from './allowance.ts';
import type { Allowance } from './allowance.ts';

const ARENA_BYTES_INITIAL = 1024 * 1024;
/** Offsets are 32 bits, and a run must fit into one buffer. */
const ARENA_BYTES_MAX = 2 ** 31 - 1;
/** An arena that is appended to grows by at least this; what it was is there while it is copied. */
const GROWTH = 1.5;
export const ARENA_PEAK_FACTOR = GROWTH + 1;
/** An empty one is made somewhat larger, for the next time. */
const FRESH = 1.0625;

export interface Arena {
  bytes: Buffer;
  length: number;
  /** Is asked before the arena grows. */
  readonly allowance: Allowance | undefined;
}

export function newArena(allowance?: Allowance): Arena {
  return { bytes: Buffer.allocUnsafeSlow(ARENA_BYTES_INITIAL), length: 0, allowance };
}

/** Makes room for `byteCount` more bytes. Throws INPUT_INVALID, MemoryShort. */
export function reserve(arena: Arena, byteCount: number): void {
  const needed = arena.length + byteCount;
  if (needed <= arena.bytes.length) return;
  if (needed > ARENA_BYTES_MAX) {
    throw new SteleError(
      'INPUT_INVALID',
      'The rows of one chunk become more than 2 GiB; use a smaller --chunk-size.',
    );
  }
  const grown = Math.max(needed, Math.ceil(arena.bytes.length * GROWTH));
  const capacity = Math.min(
    ARENA_BYTES_MAX,
    arena.length === 0 ? Math.ceil(needed * FRESH) : grown,
  );
  if (arena.allowance !== undefined) growTo(arena.allowance, capacity, arena.bytes.length);
  const bytes = Buffer.allocUnsafeSlow(capacity);
  bytes.set(arena.bytes.subarray(0, arena.length));
  outgrown(arena.allowance, [arena.bytes]);
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
