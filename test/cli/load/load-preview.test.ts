import { expect, it } from 'vitest';
import { printable, recordJson } from '../../../cli/load/load-preview.ts';
import { commandText } from '../../../cli/shell-words.ts';

it('what is shown of bytes cannot move a cursor, and is never longer than asked for', () => {
  const shown = (bytes: Buffer | string, max = 20): string => printable(Buffer.from(bytes), max);
  expect(shown('plain \u00e9 \u{1f600}')).toBe('plain \u00e9 \u{1f600}');
  expect(shown('\u001b[2J\u0000\u007f\n\r\t')).toBe(String.raw`\x1b[2J\x00\x7f\n\r\t`);
  expect(shown('a\u202eb')).toBe(String.raw`a\u{202e}b`);
  expect(shown(Buffer.from([0x61, 0xff, 0xe9]))).toBe(String.raw`a\xff\xe9`);
  expect(shown('x'.repeat(30))).toBe(`${'x'.repeat(20)}...`);
  expect(shown('')).toBe('');
});

it('JSON holds every byte: as text, or as base64 where they are none', () => {
  const value = Buffer.from([0xff, 0x00]);
  expect(recordJson({ key: Buffer.from('k'), value, valueBytes: 2 })).toEqual({
    ...{ key: 'k', value_base64: '/wA=', value_bytes: 2 },
  });
  expect(recordJson({ key: value, value: Buffer.from('v'), valueBytes: 9 })).toEqual({
    ...{ key_base64: '/wA=', value: 'v', value_bytes: 9, cut: true },
  });
});

it('a command is quoted for a shell where it must be', () => {
  expect(commandText(['load', 'ks', "it's.csv", '--key', 'a b', './x-1.csv', ''])).toBe(
    `stele load ks 'it'\\''s.csv' --key 'a b' ./x-1.csv ''`,
  );
});
