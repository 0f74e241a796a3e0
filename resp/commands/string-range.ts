// GETRANGE's arithmetic, which master and datanodes share.

/** A part of a value: bytes [start, end). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What GETRANGE `first` `last` means for a value of `length` bytes: both ends belong to the range,
 * negative ones count from the end. As in Redis, an end that is before the beginning is the first byte,
 * unless the two are the wrong way round.
 */
export function rangeOf(first: number, last: number, length: number): ByteRange {
  if (length === 0 || (first < 0 && last < 0 && first > last)) return { start: 0, end: 0 };
  const start = Math.max(0, first < 0 ? length + first : first);
  const end = Math.min(length - 1, Math.max(0, last < 0 ? length + last : last));
  return start > end ? { start: 0, end: 0 } : { start, end: end + 1 };
}
