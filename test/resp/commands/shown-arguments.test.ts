import { expect, it } from 'vitest';
import { findCommandByName } from '../../../resp/commands/command-table.ts';
import { shownArguments, shownByKey } from '../../../resp/commands/shown-arguments.ts';
import { CommandDecoder } from '../../../resp/wire/decoder.ts';
import { multibulk } from '../split.ts';

function shown(...words: string[]): string[] {
  const decoder = new CommandDecoder();
  decoder.push(Buffer.from(multibulk(...words)));
  decoder.next();
  const spec = findCommandByName(words[0] ?? '');
  if (spec === undefined) throw new Error('no such command');
  return shownArguments(spec, decoder).map(String);
}

it('shows every argument, as the client sent it', () => {
  expect(shown('GeT', 'key')).toEqual(['GeT', 'key']);
});

it('cuts an argument after 128 bytes', () => {
  expect(shown('get', 'k'.repeat(128))).toEqual(['get', 'k'.repeat(128)]);
  expect(shown('get', 'k'.repeat(200))).toEqual(['get', `${'k'.repeat(128)}... (72 more bytes)`]);
});

it('shows 32 arguments, or 31 and how many there are more', () => {
  const keys = Array.from({ length: 40 }, (_, index) => `${index}`);
  expect(shown('mget', ...keys.slice(0, 31))).toEqual(['mget', ...keys.slice(0, 31)]);
  const cut = shown('mget', ...keys);
  expect(cut).toEqual(['mget', ...keys.slice(0, 30), '... (10 more arguments)']);
  expect(cut).toHaveLength(32);
});

it.each([
  ['auth', 'secret'],
  ['AUTH', 'alice', 'secret'],
  ['hello', '3', 'auth', 'alice', 'secret', 'setname', 'secret'],
])('shows no argument of a login: %s', (...words) => {
  expect(shown(...words)).toEqual([words[0], ...words.slice(1).map(() => '(redacted)')]);
});

it('shows what it has of a command that waited: the key, and how many arguments there are', () => {
  const get = findCommandByName('get');
  const encoding = findCommandByName('object|encoding');
  if (get === undefined || encoding === undefined) throw new Error('no such command');
  const key = Buffer.from('k'.repeat(130));
  const cut = `${'k'.repeat(128)}... (2 more bytes)`;
  expect(shownByKey(get, key, 2).map(String)).toEqual(['get', cut]);
  expect(shownByKey(encoding, Buffer.from('k'), 3).map(String)).toEqual([
    'object',
    'encoding',
    'k',
  ]);
  expect(shownByKey(get, Buffer.from('k'), 4).map(String)).toEqual([
    'get',
    'k',
    '... (2 more arguments)',
  ]);
});
