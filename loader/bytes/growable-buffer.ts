// A growable buffer for keys and values that are not slices of the input (JSON objects made of
// several columns or members). Offsets stay valid when it grows; views of `bytes` do not.

import { SteleError } from '../../base/errors.ts';
import { reserveGrowth, freeOutgrown } from './memory-budget.ts';
import type { MemoryBudget } from './memory-budget.ts';

const BUFFER_BYTES_INITIAL = 1024 * 1024;
/** Offsets are 32 bits, and a run must fit into one buffer. */
const BUFFER_BYTES_MAX = 2 ** 31 - 1;
/** Minimum growth factor. The old buffer exists until it has been copied. */
const GROWTH = 1.5;
export const BUFFER_PEAK_FACTOR = GROWTH + 1;
/** An empty buffer is made somewhat larger than needed, to be reused. */
const FRESH = 1.0625;

export interface GrowableBuffer {
  bytes: Buffer;
  length: number;
  /** Charged before the buffer grows. */
  readonly budget: MemoryBudget | undefined;
}

/** The initial size is not charged to the budget. */
export function newGrowableBuffer(
  budget?: MemoryBudget,
  initialBytes = BUFFER_BYTES_INITIAL,
): GrowableBuffer {
  return { bytes: Buffer.allocUnsafeSlow(initialBytes), length: 0, budget };
}

/** Makes room for `byteCount` more bytes. Throws INPUT_INVALID, BudgetExceeded. */
export function reserve(buffer: GrowableBuffer, byteCount: number): void {
  const needed = buffer.length + byteCount;
  if (needed <= buffer.bytes.length) return;
  if (needed > BUFFER_BYTES_MAX) {
    throw new SteleError(
      'INPUT_INVALID',
      'The rows of one chunk become more than 2 GiB; use a smaller --chunk-size.',
    );
  }
  const grown = Math.max(needed, Math.ceil(buffer.bytes.length * GROWTH));
  const capacity = Math.min(
    BUFFER_BYTES_MAX,
    buffer.length === 0 ? Math.ceil(needed * FRESH) : grown,
  );
  if (buffer.budget !== undefined) reserveGrowth(buffer.budget, capacity, buffer.bytes.length);
  const bytes = Buffer.allocUnsafeSlow(capacity);
  bytes.set(buffer.bytes.subarray(0, buffer.length));
  freeOutgrown(buffer.budget, [buffer.bytes]);
  buffer.bytes = bytes;
}

export function appendBytes(
  buffer: GrowableBuffer,
  from: Uint8Array,
  start: number,
  end: number,
): void {
  reserve(buffer, end - start);
  const { bytes } = buffer;
  let at = buffer.length;
  if (end - start > 128) bytes.set(from.subarray(start, end), at);
  else for (let index = start; index < end; index++) bytes[at++] = from[index] as number;
  buffer.length += end - start;
}

export function appendByte(buffer: GrowableBuffer, byte: number): void {
  reserve(buffer, 1);
  buffer.bytes[buffer.length++] = byte;
}
