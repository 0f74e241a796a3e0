import { expect, it } from 'vitest';
import { CommandDecoder } from '../../../resp/wire/decoder.ts';
import { integerArgument } from '../../../resp/commands/integer-argument.ts';
import { multibulk } from '../split.ts';

function parse(text: string): number {
  const decoder = new CommandDecoder();
  decoder.push(Buffer.from(multibulk('X', text)));
  decoder.next();
  return integerArgument(decoder, 1);
}

it.each([
  ['0', 0],
  ['-1', -1],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ['9223372036854775807', Number.MAX_SAFE_INTEGER],
  ['-9223372036854775808', Number.MIN_SAFE_INTEGER],
])('%s is an integer', (text, value) => {
  expect(parse(text)).toBe(value);
});

it.each([
  '',
  '-',
  '-0',
  '00',
  '01',
  '+1',
  '1.0',
  ' 1',
  '1\n',
  '1e3',
  '9223372036854775808',
  '-9223372036854775809',
  '9'.repeat(100),
])('%j is none', (text) => {
  expect(() => parse(text)).toThrow('value is not an integer or out of range');
});
