import { assert, property, uint8Array } from 'fast-check';
import { expect, test } from 'vitest';
import {
  bestView,
  bytesOfHex,
  hexDump,
  prettyJson,
  textOf,
} from '../../../console/format/value-text.ts';

test('a value is shown in the way that says most about it', () => {
  expect(bestView(Buffer.from('{"a":1}'))).toBe('json');
  expect(bestView(Buffer.from('plain'))).toBe('text');
  expect(bestView(Buffer.from('{broken'))).toBe('text');
  expect(bestView(Buffer.from([0xff]))).toBe('hex');
  expect(textOf(Buffer.from('\uFEFFa'))).toBe('\uFEFFa');
});

test('JSON is indented, unless a number would become another one', () => {
  expect(prettyJson('{"a":[1,"9007199254740993"]}')).toBe(
    '{\n  "a": [\n    1,\n    "9007199254740993"\n  ]\n}',
  );
  expect(prettyJson('{"a":9007199254740993}')).toBeUndefined();
  expect(prettyJson('12')).toBeUndefined();
});

test('hex has all bytes, and is read back', () => {
  expect(hexDump(Buffer.from('0123456789abcdefg\n'))).toBe(
    '00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n' +
      '00000010  67 0a                                            g.',
  );
  assert(
    property(uint8Array(), (value) => {
      expect(bytesOfHex(Buffer.from(value).toString('hex'))).toEqual(value);
    }),
  );
  expect(bytesOfHex('0x0F a0')).toEqual(Uint8Array.of(15, 160));
  expect(['0', 'xy', '0 f0'].map(bytesOfHex)).toEqual([undefined, undefined, undefined]);
});
