// The key hash: two 32-bit lanes, seeded by the keyspace's uid. h1 selects the bucket and is the
// first sort key of the file; h2 gives the tag and is the second sort key.
//
// It follows the 128-bit x86 form of MurmurHash3, cut to two lanes (Austin Appleby, public domain,
// https://github.com/aappleby/smhasher), with one change: the first multiplier of each lane is
// derived from the seed. With fixed multipliers anybody can craft keys that collide under every
// seed (Aumasson, Bernstein: https://www.131002.net/siphash/#at); with secret ones the known recipe
// fails. HalfSipHash-1-3 would be provably safe, at 65 ns for a 36-byte key instead of 38 ns.
//
// Hot loop: plain functions over numbers that allocate nothing. The second lane is returned through
// a module variable because a pair would be an object per key. There are two versions: `hashKey`
// reads single bytes, because a DataView would be one more object per received buffer; `hashKeyAt`
// reads the keys of a segment by words, which saves a quarter of the time.

const C1 = 0xcc9e2d51 | 0;
const C2 = 0x1b873593;

let secondLane = 0;

/**
 * Hashes `bytes[start, end)`. Returns h1 as a signed 32-bit integer; `lastHash2()` gives h2.
 * `seed1`, `seed2` are the two little-endian u32 of the keyspace uid, as signed integers.
 */
export function hashKey(
  bytes: Uint8Array,
  start: number,
  end: number,
  seed1: number,
  seed2: number,
): number {
  const m1 = (Math.imul(seed1, 0x9e3779b1) ^ C1) | 1;
  const m2 = (Math.imul(seed2, 0x85ebca77) ^ C2) | 1;
  let h1 = seed1 | 0;
  let h2 = seed2 | 0;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    let k = Math.imul(readInt32(bytes, at), m1);
    h1 ^= Math.imul((k << 15) | (k >>> 17), C2);
    h1 = (((h1 << 13) | (h1 >>> 19)) + h2) | 0;
    h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
    k = Math.imul(readInt32(bytes, at + 4), m2);
    h2 ^= Math.imul((k << 17) | (k >>> 15), C1);
    h2 = (((h2 << 17) | (h2 >>> 15)) + h1) | 0;
    h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
  }
  if (at < end) {
    let k = Math.imul(readTail(bytes, at, end), m1);
    h1 ^= Math.imul((k << 15) | (k >>> 17), C2);
    k = Math.imul(readTail(bytes, at + 4, end), m2);
    h2 ^= Math.imul((k << 17) | (k >>> 15), C1);
  }
  return finish(h1, h2, end - start);
}

/** `hashKey` of the bytes `[start, end)` of `view`. */
export function hashKeyAt(
  view: DataView,
  start: number,
  end: number,
  seed1: number,
  seed2: number,
): number {
  const m1 = (Math.imul(seed1, 0x9e3779b1) ^ C1) | 1;
  const m2 = (Math.imul(seed2, 0x85ebca77) ^ C2) | 1;
  let h1 = seed1 | 0;
  let h2 = seed2 | 0;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    let k = Math.imul(view.getInt32(at, true), m1);
    h1 ^= Math.imul((k << 15) | (k >>> 17), C2);
    h1 = (((h1 << 13) | (h1 >>> 19)) + h2) | 0;
    h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
    k = Math.imul(view.getInt32(at + 4, true), m2);
    h2 ^= Math.imul((k << 17) | (k >>> 15), C1);
    h2 = (((h2 << 17) | (h2 >>> 15)) + h1) | 0;
    h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
  }
  if (at < end) {
    let k = Math.imul(readTailAt(view, at, end), m1);
    h1 ^= Math.imul((k << 15) | (k >>> 17), C2);
    if (at + 4 < end) {
      k = Math.imul(readTailAt(view, at + 4, end), m2);
      h2 ^= Math.imul((k << 17) | (k >>> 15), C1);
    }
  }
  return finish(h1, h2, end - start);
}

function finish(h1: number, h2: number, byteCount: number): number {
  h1 ^= byteCount;
  h2 ^= byteCount;
  h1 = (h1 + h2) | 0;
  h2 = (h2 + h1) | 0;
  h1 = finalMix(h1);
  h2 = finalMix(h2);
  h1 = (h1 + h2) | 0;
  secondLane = (h2 + h1) | 0;
  return h1;
}

/** h2 of the latest `hashKey` or `hashKeyAt` call in this thread, as a signed 32-bit integer. */
export function lastHash2(): number {
  return secondLane;
}

/** The bucket of h1: h1 scaled to the bucket count, so that buckets are in the order of h1. */
export function bucketOf(h1: number, bucketCount: number): number {
  return Math.floor(((h1 >>> 0) * bucketCount) / 4294967296);
}

/** The tag of h2: its top byte, but never 0, which marks an unused entry. */
export function tagOf(h2: number): number {
  const tag = h2 >>> 24;
  return tag === 0 ? 1 : tag;
}

/** Mixes so that every bit of the input affects every bit of the output (fmix32 of MurmurHash3). */
export function finalMix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The four bytes at `at`, little-endian, as a signed integer. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** Up to four bytes from `at` to `end`, little-endian; missing bytes are zeros. */
function readTail(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) return readInt32(bytes, at);
  let word = 0;
  for (let shift = 0; at < end; at++, shift += 8) word |= (bytes[at] as number) << shift;
  return word;
}

/** The first up to four bytes of `[at, end)`, which is not empty; missing bytes are zeros. */
export function readTailAt(view: DataView, at: number, end: number): number {
  if (at + 4 <= end) return view.getInt32(at, true);
  // The word that ends with the last byte, shifted so that the bytes before `at` drop out.
  if (end >= 4) return view.getInt32(end - 4, true) >>> ((at + 4 - end) * 8);
  let word = 0;
  for (let shift = 0; at < end; at++, shift += 8) word |= view.getUint8(at) << shift;
  return word;
}
