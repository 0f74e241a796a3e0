import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SLOT_COUNT } from '../../base/limits.ts';
import { crc16, slotOfKey, slotOfText } from '../../ring/slot.ts';

describe('slots', () => {
  it('computes the check value that Redis Cluster publishes for its CRC16', () => {
    expect(crc16(Buffer.from('123456789'), 0, 9)).toBe(0x31c3);
    expect(slotOfText('123456789')).toBe(0x31c3);
  });

  // Each is the answer of `redis-cli cluster keyslot` (Redis 7.0).
  it.each([
    ['', 0],
    ['foo', 12182],
    ['bar', 5061],
    ['hello', 866],
    ['user1000', 3443],
    ['{user1000}.following', 3443],
    ['{user1000}.followers', 3443],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['foo{bar}{zap}', 5061],
    ['foo{bar', 15278],
    ['foo}bar{', 11073],
    ['{}', 15257],
    ['{', 4092],
    ['}{a}', 15495],
    ['ключ', 10303],
  ])('puts %j into slot %i as Redis does', (key, slot) => {
    expect(slotOfText(key)).toBe(slot);
  });

  it('hashes bytes that are no text', () => {
    expect(slotOfKey(Uint8Array.of(0x00), 0, 1)).toBe(0);
    expect(slotOfKey(Uint8Array.of(0xff, 0x00, 0x7b, 0x80, 0x7d, 0x0a), 0, 6)).toBe(
      slotOfKey(Uint8Array.of(0x80), 0, 1),
    );
    expect(slotOfKey(Uint8Array.of(0xff), 0, 1)).toBe(0x1ef0 % SLOT_COUNT);
  });

  it('looks at nothing outside the given range', () => {
    const bytes = Buffer.from('}{x}foo}{y}');
    expect(slotOfKey(bytes, 4, 7)).toBe(slotOfText('foo'));
    expect(slotOfKey(bytes, 8, 10)).toBe(slotOfText('{y'));
  });

  it('gives a key without a tag the CRC of its bytes, four at a time or not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const key = bytes.map((byte) => (byte === 0x7b ? 0 : byte));
        expect(slotOfKey(key, 0, key.length)).toBe(crc16(key, 0, key.length) % SLOT_COUNT);
      }),
    );
  });

  it('gives keys with the same tag the same slot, wherever they lie in a buffer', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 }).map((s) => s.replaceAll(/[{}]/g, ''));
    fc.assert(
      fc.property(text, text, text, (before, tag, after) => {
        const key = Buffer.from(`${before}{${tag}}${after}`);
        const shifted = Buffer.concat([Buffer.from('{a}'), key, Buffer.from('{b}')]);
        const slot = slotOfKey(shifted, 3, 3 + key.length);
        expect(slot).toBe(slotOfKey(key, 0, key.length));
        expect(slot).toBeLessThan(SLOT_COUNT);
        if (tag !== '') expect(slot).toBe(slotOfText(tag));
      }),
    );
  });
});
