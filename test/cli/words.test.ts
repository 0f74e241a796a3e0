import { expect, it } from 'vitest';
import { commandText, printable } from '../../cli/words.ts';

it('shown bytes cannot move a cursor, and are never longer than asked for', () => {
  const shown = (bytes: Buffer | string, max = 20): string => printable(Buffer.from(bytes), max);
  expect(shown('plain \u00e9 \u{1f600}')).toBe('plain \u00e9 \u{1f600}');
  expect(shown('\u001b[2J\u0000\u007f\n\r\t')).toBe(String.raw`\x1b[2J\x00\x7f\n\r\t`);
  expect(shown('a\u202eb')).toBe(String.raw`a\u{202e}b`);
  expect(shown(Buffer.from([0x61, 0xff, 0xe9]))).toBe(String.raw`a\xff\xe9`);
  expect(shown('x'.repeat(30))).toBe(`${'x'.repeat(20)}...`);
  expect(shown('')).toBe('');
  // The input may be the start of a value that ends within a character.
  expect(shown(Buffer.from('caf\u00e9').subarray(0, -1))).toBe('caf');
});

it('a command is quoted for a shell if needed', () => {
  expect(commandText(['load', 'ks', "it's.csv", '--key', 'a b', './x-1.csv', ''])).toBe(
    `stele load ks 'it'\\''s.csv' --key 'a b' ./x-1.csv ''`,
  );
});
