import { describe, expect, it } from 'vitest';
import { bucketOf, hashKey, hashKeyAt, lastHash2, tagOf } from '../../segment/hash.ts';

function hash(uid: string, key: Uint8Array): [number, number] {
  const seed = Buffer.from(uid, 'hex');
  const h1 = hashKey(key, 0, key.length, seed.readInt32LE(0), seed.readInt32LE(4));
  return [h1 >>> 0, lastHash2() >>> 0];
}

const sequence = Buffer.from(Array.from({ length: 36 }, (_, i) => i));

describe('the key hash', () => {
  it.each([
    ['0000000000000000', Buffer.from(''), 0x00000000, 0x00000000],
    ['0000000000000000', Buffer.from('a'), 0x2842df26, 0xf7fae164],
    ['0000000000000000', Buffer.from('stele'), 0x64bdeff7, 0x2d88983a],
    ['0123456789abcdef', Buffer.from(''), 0xb12eb6fb, 0x3cd4f021],
    ['0123456789abcdef', Buffer.from('a'), 0x45f89458, 0x840a49d8],
    ['0123456789abcdef', Buffer.from('stele'), 0x98640fe7, 0x49faf3d0],
    ['0123456789abcdef', Buffer.from('12345678'), 0x5cfaaaf5, 0x44d15e25],
    ['0123456789abcdef', sequence, 0xc64749bd, 0x1cecce0a],
  ])('under uid %s gives the documented vectors', (uid, key, h1, h2) => {
    expect(hash(uid, key)).toEqual([h1, h2]);
  });

  it('depends only on the bytes, not on their place', () => {
    const plain = hash('0123456789abcdef', sequence);
    const around = Buffer.concat([Buffer.from('???'), sequence, Buffer.from('!!!!!')]);
    const shared = new Uint8Array(new SharedArrayBuffer(around.length));
    shared.set(around);
    for (const bytes of [around, shared]) {
      const h1 = hashKey(bytes, 3, 39, 0x67452301, 0xefcdab89 | 0);
      expect([h1 >>> 0, lastHash2() >>> 0]).toEqual(plain);
    }
  });

  it('is the same by bytes and by words, at every offset and length, up to the ends of the buffer', () => {
    const bytes = Buffer.from(Array.from({ length: 48 }, (_, i) => (i * 151 + 89) & 0xff));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let start = 0; start <= bytes.length; start++) {
      for (let end = start; end <= bytes.length; end++) {
        const byBytes = [hashKey(bytes, start, end, 0x67452301, 0xefcdab89 | 0), lastHash2()];
        const byWords = [hashKeyAt(view, start, end, 0x67452301, 0xefcdab89 | 0), lastHash2()];
        expect(byWords).toEqual(byBytes);
      }
    }
  });

  it('spreads similar keys evenly over buckets and tags, and its lanes do not depend on each other', () => {
    const counts = new Map<string, number>();
    const keyCount = 64_000;
    for (let i = 0; i < keyCount; i++) {
      const [h1, h2] = hash('00000000deadbeef', Buffer.from(`user:${i}`));
      const cell = `${bucketOf(h1, 16)}/${h2 >>> 28}`;
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    }
    // 256 cells of 250 keys each: the chi-square statistic has mean 255 and deviation 22.6.
    const expected = keyCount / 256;
    let chiSquare = 0;
    for (let b = 0; b < 16; b++) {
      for (let t = 0; t < 16; t++) {
        chiSquare += ((counts.get(`${b}/${t}`) ?? 0) - expected) ** 2 / expected;
      }
    }
    expect(chiSquare).toBeGreaterThan(255 - 5 * 22.6);
    expect(chiSquare).toBeLessThan(255 + 5 * 22.6);
  });

  it('maps the ends of the hash circle to the first and the last bucket', () => {
    for (const buckets of [1, 2, 3, 1000, 2 ** 21]) {
      expect(bucketOf(0, buckets)).toBe(0);
      expect(bucketOf(0xffffffff, buckets)).toBe(buckets - 1);
      expect(bucketOf(-1, buckets)).toBe(buckets - 1);
    }
  });

  it('never gives tag 0', () => {
    expect(tagOf(0x00ffffff)).toBe(1);
    expect(tagOf(-1)).toBe(255);
  });
});
