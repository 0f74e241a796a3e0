import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  broadcastByte,
  findByte,
  findStringSpecial,
  findAnyByte,
  findEitherByte,
  wordsOf,
} from '../../../loader/bytes/word-scan.ts';
import { runs } from '../rows.ts';

/** The searched bytes with their neighbours, and the borders of the word trick. */
const byte = fc.constantFrom(
  ...[0x00, 0x01, 0x0a, 0x0b, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x2c, 0x2d, 0x5b, 0x5c, 0x5d, 0x61],
  ...[0x7f, 0x80, 0x81, 0x8a, 0xa0, 0xa2, 0xdc, 0xff],
);
const wanted = fc.constantFrom(0x00, 0x0a, 0x22, 0x2c, 0x80, 0xff);
/** Start offsets in the buffer, so that words are aligned or not. */
const place = fc.tuple(fc.array(byte, { maxLength: 24 }), fc.nat(7), fc.nat(8), fc.nat(8));

function byHand(
  bytes: Uint8Array,
  from: number,
  end: number,
  is: (byte: number) => boolean,
): number {
  for (let at = from; at < end; at++) if (is(bytes[at]!)) return at;
  return end;
}

it('finds what a loop over bytes finds, at every alignment and up to any end', () => {
  fc.assert(
    fc.property(place, wanted, wanted, wanted, ([content, offset, head, tail], a, b, c) => {
      const bytes = Buffer.alloc(offset + content.length + 8, 0x22).subarray(offset);
      bytes.set(content);
      const from = Math.min(head, content.length);
      const end = Math.max(from, content.length - tail);
      const view = wordsOf(bytes);
      const expected = (...some: number[]): number =>
        byHand(bytes, from, end, (one) => some.includes(one));
      const [x, y, z] = [broadcastByte(a), broadcastByte(b), broadcastByte(c)];
      expect(findByte(view, from, end, x)).toBe(expected(a));
      expect(findEitherByte(view, from, end, x, y)).toBe(expected(a, b));
      expect(findAnyByte(view, from, end, x, y, z)).toBe(expected(a, b, c));
      expect(findStringSpecial(view, from, end)).toBe(
        byHand(bytes, from, end, (one) => one < 0x20 || one === 0x22 || one === 0x5c),
      );
    }),
    runs(3000),
  );
});
