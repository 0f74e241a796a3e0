// Finds the key of the next command in the input, if that is a GET as clients send it, for
// read-ahead.
//
//   * 2 \r \n | $ 3 \r \n | G E T \r \n | $ length \r \n | key \r \n
//
// Hot: whole words are compared; nothing is allocated. Anything else is left to the decoder.

/** `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n` */
export const GET_BYTES_MIN = 21;
const KEY_BYTES_MAX = 999;

// `*2\r\n` and `$3\r\n` as little-endian words; the name's letters in upper case, without the bit
// 0x20.
const STAR_TWO = 0x0a0d322a;
const DOLLAR_THREE = 0x0a0d3324;
const CASE_BITS = 0x00202020;
const GET_AND_RETURN = 0x0d544547;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const DOLLAR = 0x24;
const DIGIT_0 = 0x30;
const LINE_END_BYTES = 2;

/** The key of the last peeked GET is bytes [start, end); the following command begins at `next`. */
export const peeked = { start: 0, end: 0, next: 0 };

/**
 * Whether a complete GET begins at bytes[at] and ends before `end`; if so, `peeked` describes it.
 */
export function peekGet(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 16 > end || readWord(bytes, at) !== STAR_TWO) return false;
  if (readWord(bytes, at + 4) !== DOLLAR_THREE) return false;
  if ((readWord(bytes, at + 8) & ~CASE_BITS) !== GET_AND_RETURN) return false;
  if (bytes[at + 12] !== LINE_FEED || bytes[at + 13] !== DOLLAR) return false;
  let length = 0;
  let digitAt = at + 14;
  for (; digitAt < end && bytes[digitAt] !== CARRIAGE_RETURN; digitAt++) {
    const digit = (bytes[digitAt] as number) - DIGIT_0;
    if (digit < 0 || digit > 9) return false;
    length = length * 10 + digit;
    if (length > KEY_BYTES_MAX) return false;
  }
  const start = digitAt + LINE_END_BYTES;
  const next = start + length + LINE_END_BYTES;
  if (next > end) return false;
  peeked.start = start;
  peeked.end = start + length;
  peeked.next = next;
  return true;
}

function readWord(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}
