// The digest: 128 bits that identify a set of key-value pairs, whatever their order and partition.
//
//     digest(set) = sum over its records of MurmurHash3_x86_128(key + value, seed = base + key length)
//
// The sum is taken lane by lane, modulo 2^32. So the digests of shards add up to the digest of a
// version, and an overwritten record can be subtracted. The seed is fixed by the format: the same
// pairs have the same digest in every keyspace. The digest finds accidents, such as lost or doubled
// records. Neither the digest nor the block CRCs resist
// crafted collisions; the content hash in the header does.
//
// Hot loop: 0.5 ns per byte with the words of a DataView, 0.8 ns with single bytes.

import assert from 'node:assert/strict';
import { DIGEST_BYTES } from './layout.ts';
import { finalMix, readTailAt } from './hash.ts';

/** "STEL". Not zero, because the record of an empty key and an empty value would then not count. */
const SEED_BASE = 0x4c455453;
const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

/** A running digest. Mutable; not shared between threads (send `toBytes()`). */
export class Digest {
  readonly lanes = new Int32Array(4);

  static fromBytes(bytes: Uint8Array): Digest {
    assert.equal(bytes.length, DIGEST_BYTES);
    const digest = new Digest();
    const view = new DataView(bytes.buffer, bytes.byteOffset, DIGEST_BYTES);
    for (let lane = 0; lane < 4; lane++) digest.lanes[lane] = view.getInt32(lane * 4, true);
    return digest;
  }

  /**
   * Adds a record: its key is `[keyStart, valueStart)` of `view`, its value `[valueStart, end)`,
   * adjacent as in an encoded record.
   */
  addRecord(view: DataView, keyStart: number, valueStart: number, end: number): void {
    addRecordHash(this.lanes, 1, view, keyStart, valueStart, end);
  }

  /** Undoes `addRecord`. */
  subtractRecord(view: DataView, keyStart: number, valueStart: number, end: number): void {
    addRecordHash(this.lanes, -1, view, keyStart, valueStart, end);
  }

  add(other: Digest): void {
    addLanes(this.lanes, 1, other.lanes);
  }

  subtract(other: Digest): void {
    addLanes(this.lanes, -1, other.lanes);
  }

  /** 16 bytes: the four lanes, little-endian. */
  toBytes(): Buffer {
    const bytes = Buffer.alloc(DIGEST_BYTES);
    this.lanes.forEach((lane, index) => bytes.writeInt32LE(lane, index * 4));
    return bytes;
  }

  toHex(): string {
    return this.toBytes().toString('hex');
  }
}

/** Adds `sign` (1 or -1) times the hash of one record to `lanes`; see `Digest.addRecord`. */
export function addRecordHash(
  lanes: Int32Array,
  sign: number,
  view: DataView,
  keyStart: number,
  valueStart: number,
  end: number,
): void {
  const seed = (SEED_BASE + valueStart - keyStart) | 0;
  let h1 = seed;
  let h2 = seed;
  let h3 = seed;
  let h4 = seed;
  let at = keyStart;
  for (; at + 16 <= end; at += 16) {
    h1 ^= mix1(view.getInt32(at, true));
    h1 = (Math.imul((((h1 << 19) | (h1 >>> 13)) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= mix2(view.getInt32(at + 4, true));
    h2 = (Math.imul((((h2 << 17) | (h2 >>> 15)) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= mix3(view.getInt32(at + 8, true));
    h3 = (Math.imul((((h3 << 15) | (h3 >>> 17)) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= mix4(view.getInt32(at + 12, true));
    h4 = (Math.imul((((h4 << 13) | (h4 >>> 19)) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  // A missing word is zero and mixes to zero, so its step can be skipped.
  const byteCount = end - keyStart;
  if (at < end) {
    h1 ^= mix1(readTailAt(view, at, end));
    if (at + 4 < end) h2 ^= mix2(readTailAt(view, at + 4, end));
    if (at + 8 < end) h3 ^= mix3(readTailAt(view, at + 8, end));
    if (at + 12 < end) h4 ^= mix4(readTailAt(view, at + 12, end));
  }
  h1 ^= byteCount;
  h2 ^= byteCount;
  h3 ^= byteCount;
  h4 ^= byteCount;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = finalMix((h2 + h1) | 0);
  h3 = finalMix((h3 + h1) | 0);
  h4 = finalMix((h4 + h1) | 0);
  h1 = (finalMix(h1) + h2 + h3 + h4) | 0;
  lanes[0] = (lanes[0] as number) + Math.imul(sign, h1);
  lanes[1] = (lanes[1] as number) + Math.imul(sign, (h2 + h1) | 0);
  lanes[2] = (lanes[2] as number) + Math.imul(sign, (h3 + h1) | 0);
  lanes[3] = (lanes[3] as number) + Math.imul(sign, (h4 + h1) | 0);
}

function addLanes(lanes: Int32Array, sign: number, others: Int32Array): void {
  others.forEach((other, lane) => {
    lanes[lane] = (lanes[lane] ?? 0) + sign * other;
  });
}

function mix1(k: number): number {
  k = Math.imul(k, C1);
  return Math.imul((k << 15) | (k >>> 17), C2);
}

function mix2(k: number): number {
  k = Math.imul(k, C2);
  return Math.imul((k << 16) | (k >>> 16), C3);
}

function mix3(k: number): number {
  k = Math.imul(k, C3);
  return Math.imul((k << 17) | (k >>> 15), C4);
}

function mix4(k: number): number {
  k = Math.imul(k, C4);
  return Math.imul((k << 18) | (k >>> 14), C1);
}
