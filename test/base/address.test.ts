import { describe, expect, it } from 'vitest';
import {
  addressList,
  checkAddress,
  isAddress,
  isLoopback,
  isWildcard,
  reachedHere,
} from '../../base/address.ts';

describe('an address', () => {
  it.each([
    '127.0.0.1:8400',
    'localhost:1',
    'db-1.example.com:65535',
    '[::1]:8400',
    '[fe80::1%eth0]:9',
  ])('may be %s', (text) => {
    expect(checkAddress(text)).toBe(text);
  });

  it.each([
    ['', '127.0.0.1', 'localhost', ':8400', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:99999'],
    ['http://127.0.0.1:8400', '127.0.0.1:8400/', 'a@b:1', 'a?b:1', '::1:8400', '[::1]', '[]:1'],
    [
      ' 127.0.0.1:8400',
      '127.0.0.1:8400 ',
      '127.0.0.1 :8400',
      '127.0.0.1:8400\n',
      'a:1,b:1',
      'a:1e3',
    ],
  ])('is not %j, nor the others of its kind', (...texts) => {
    expect(texts.filter(isAddress)).toEqual([]);
    for (const text of texts)
      expect(() => checkAddress(text)).toThrow(/is not HOST:PORT; write a name/);
  });
});

describe('a list of addresses', () => {
  it('has one or more, with commas', () => {
    expect(addressList('localhost:1')).toEqual(['localhost:1']);
    expect(addressList('a:1,[::1]:2,a:3')).toEqual(['a:1', '[::1]:2', 'a:3']);
  });

  it.each([
    ['', /^'' is not HOST:PORT; write a name/],
    ['b', /^'b' is not HOST:PORT; write a name/],
    ['a:1,b', /^'b' is not HOST:PORT; write a name/],
    ['a:1, b:1', /^' b:1' is not HOST:PORT/],
    [
      'a:1,',
      /^'a:1,' has an empty element; separate addresses with one comma, as in a:8400,b:8400/,
    ],
    [',a:1', /has an empty element/],
    ['a:1,,b:1', /has an empty element/],
    ['a:1,b:1,a:1', /^'a:1,b:1,a:1' names a:1 twice; separate/],
  ])('is not %j', (text, message) => {
    expect(() => addressList(text)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(message) as string,
      }),
    );
  });
});

it('knows what only this machine reaches, and where it reaches a wildcard', () => {
  expect(['::', '[::]', '0.0.0.0', '10.0.0.5'].map(reachedHere)).toEqual([
    ...['::1', '::1', '127.0.0.1'],
    '10.0.0.5',
  ]);
  expect(['::', '0.0.0.0'].map(isWildcard)).toEqual([true, true]);
  expect(['::1', '10.0.0.5', 'localhost'].map(isWildcard)).toEqual([false, false, false]);
  expect(['LOCALHOST', '[::1]', '127.1.2.3'].map(isLoopback)).toEqual([true, true, true]);
  expect(['127.1.2.3.4', 'localhost.evil.example'].map(isLoopback)).toEqual([false, false]);
});
