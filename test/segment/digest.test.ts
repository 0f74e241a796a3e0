import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Digest } from '../../segment/digest.ts';

const sequence = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i));

function add(digest: Digest, key: Uint8Array, value: Uint8Array): void {
  const bytes = Buffer.concat([Buffer.from('?'), key, value, Buffer.from('!')]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  digest.addRecord(view, 1, 1 + key.length, 1 + key.length + value.length);
}

function digestOf(pairs: readonly (readonly [Uint8Array, Uint8Array])[]): Digest {
  const digest = new Digest();
  for (const [key, value] of pairs) add(digest, key, value);
  return digest;
}

const bytes = fc.uint8Array({ maxLength: 40 });
const somePairs = fc.array(fc.tuple(bytes, bytes), { maxLength: 30 });

describe('the digest', () => {
  // Computed with Python's mmh3 package: hash_bytes(key + value, 0x4c455453 + len(key),
  // x64arch=False).
  it.each([
    [Buffer.from(''), Buffer.from(''), 'e41765f4cf8dd580cf8dd580cf8dd580'],
    [Buffer.from('a'), Buffer.from(''), 'c87d3186b32d4d48b32d4d48b32d4d48'],
    [Buffer.from(''), Buffer.from('a'), 'bc1fe2c9f5667cdef5667cdef5667cde'],
    [Buffer.from('key'), Buffer.from('value'), 'f3d2bb9c8cda9038159d9d08159d9d08'],
    [sequence(36), sequence(70), '910af840273a18a9b2df2d1613bb6259'],
  ])('of one record is MurmurHash3_x86_128 as others compute it', (key, value, hex) => {
    expect(digestOf([[key, value]]).toHex()).toBe(hex);
  });

  it('does not depend on order or partition', () => {
    fc.assert(
      fc.property(somePairs, fc.nat(), fc.nat(), (pairs, turn, cut) => {
        const whole = digestOf(pairs);
        const at = pairs.length === 0 ? 0 : turn % pairs.length;
        const turned = [...pairs.slice(at), ...pairs.slice(0, at)].reverse();
        const middle = cut % (pairs.length + 1);
        const sum = digestOf(turned.slice(0, middle));
        sum.add(Digest.fromBytes(digestOf(turned.slice(middle)).toBytes()));
        expect(sum.toHex()).toBe(whole.toHex());
      }),
    );
  });

  it('subtracts what was added', () => {
    fc.assert(
      fc.property(somePairs, somePairs, (pairs, overwritten) => {
        const digest = digestOf([...pairs, ...overwritten]);
        digest.subtract(digestOf(overwritten));
        expect(digest.toHex()).toBe(digestOf(pairs).toHex());
        const view = new DataView(Uint8Array.of(1, 2, 3).buffer);
        digest.addRecord(view, 0, 1, 3);
        digest.subtractRecord(view, 0, 1, 3);
        expect(digest.toHex()).toBe(digestOf(pairs).toHex());
      }),
    );
  });

  it('depends on every bit, and on where the key ends', () => {
    const record = sequence(37);
    const seen = new Set<string>();
    for (let split = 0; split <= record.length; split++) {
      seen.add(digestOf([[record.subarray(0, split), record.subarray(split)]]).toHex());
    }
    for (let bit = 0; bit < record.length * 8; bit++) {
      const changed = Buffer.from(record);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      seen.add(digestOf([[changed.subarray(0, 5), changed.subarray(5)]]).toHex());
    }
    expect(seen.size).toBe(38 + 37 * 8);
  });

  it('counts a pair that is there twice as two', () => {
    const pair = [Buffer.from('k'), Buffer.from('v')] as const;
    expect(digestOf([pair, pair]).toHex()).not.toBe(digestOf([]).toHex());
    expect(digestOf([pair, pair]).toHex()).not.toBe(digestOf([pair]).toHex());
  });
});
