import { describe, expect, it } from 'vitest';
import { checkAddress, isAddress } from '../../base/address.ts';

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
