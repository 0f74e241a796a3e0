// Searches bytes four at a time (SWAR). A byte of a word equals the wanted one if the word, XORed
// with four copies of it, has a zero byte:
//
//     x = word ^ copies        (x - 0x01010101) & ~x & 0x80808080   is not 0 if x has a zero byte
//
// The lowest bit set identifies the first zero byte exactly (a borrow can only set bits above it).
// For cells of some ten bytes this is about twice as fast as a loop over bytes, and several times
// as fast as a call of Buffer.indexOf.
//
// Hot loops: plain functions over numbers; nothing is allocated.

const ONES = 0x01010101;
const HIGHS = 0x80808080 | 0;

/** Four copies of a byte in one word, as the functions below expect it. */
export function broadcastByte(byte: number): number {
  return Math.imul(byte, ONES);
}

/** A view of `bytes` for word access. */
export function wordsOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Offset, within its word, of the lowest of the `hits`. */
function firstHit(hits: number): number {
  return (31 - Math.clz32(hits & -hits)) >> 3;
}

/**
 * Offset of the first match of one byte in `[from, end)`, or `end`. `a` comes from `broadcastByte`.
 */
export function findByte(view: DataView, from: number, end: number, a: number): number {
  let at = from;
  for (const last = end - 4; at <= last; at += 4) {
    const x = view.getInt32(at, true) ^ a;
    const hits = (x - ONES) & ~x & HIGHS;
    if (hits !== 0) return at + firstHit(hits);
  }
  while (at < end && view.getUint8(at) !== (a & 0xff)) at++;
  return at;
}

/** Offset of the first match of either of two bytes in `[from, end)`, or `end`. */
export function findEitherByte(
  view: DataView,
  from: number,
  end: number,
  a: number,
  b: number,
): number {
  let at = from;
  for (const last = end - 4; at <= last; at += 4) {
    const word = view.getInt32(at, true);
    const x = word ^ a;
    const y = word ^ b;
    const hits = (((x - ONES) & ~x) | ((y - ONES) & ~y)) & HIGHS;
    if (hits !== 0) return at + firstHit(hits);
  }
  for (; at < end; at++) {
    const byte = view.getUint8(at);
    if (byte === (a & 0xff) || byte === (b & 0xff)) return at;
  }
  return at;
}

/** Offset of the first match of any of three bytes in `[from, end)`, or `end`. */
export function findAnyByte(
  view: DataView,
  from: number,
  end: number,
  a: number,
  b: number,
  c: number,
): number {
  let at = from;
  for (const last = end - 4; at <= last; at += 4) {
    const word = view.getInt32(at, true);
    const x = word ^ a;
    const y = word ^ b;
    const z = word ^ c;
    const hits = (((x - ONES) & ~x) | ((y - ONES) & ~y) | ((z - ONES) & ~z)) & HIGHS;
    if (hits !== 0) return at + firstHit(hits);
  }
  for (; at < end; at++) {
    const byte = view.getUint8(at);
    if (byte === (a & 0xff) || byte === (b & 0xff) || byte === (c & 0xff)) return at;
  }
  return at;
}

const QUOTES = broadcastByte(0x22);
const BACKSLASHES = broadcastByte(0x5c);
const SPACES = broadcastByte(0x20);

/** Offset of the first `"`, `\` or control character (below 0x20) in `[from, end)`, or `end`. */
export function findStringSpecial(view: DataView, from: number, end: number): number {
  let at = from;
  for (const last = end - 4; at <= last; at += 4) {
    const word = view.getInt32(at, true);
    const x = word ^ QUOTES;
    const y = word ^ BACKSLASHES;
    // Applied to the word itself, the trick finds bytes that are less than a space.
    const hits = (((x - ONES) & ~x) | ((y - ONES) & ~y) | ((word - SPACES) & ~word)) & HIGHS;
    if (hits !== 0) return at + firstHit(hits);
  }
  for (; at < end; at++) {
    const byte = view.getUint8(at);
    if (byte === 0x22 || byte === 0x5c || byte < 0x20) return at;
  }
  return at;
}
