// Copies of small pieces of bytes.

/** Up to this size, a loop over the bytes is faster than the call of a native copy. */
const LOOP_COPY_BYTES_MAX = 48;

/** Copies bytes[start, end) to a new Buffer, for input in memory that will be reused. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Buffer {
  const length = end - start;
  const copy = Buffer.allocUnsafe(length);
  if (length > LOOP_COPY_BYTES_MAX) copy.set(bytes.subarray(start, end));
  else for (let at = 0; at < length; at++) copy[at] = bytes[start + at] as number;
  return copy;
}
