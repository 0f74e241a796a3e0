import { assert, property, uint8Array } from 'fast-check';
import { expect, test } from 'vitest';
import { basicHeader, bearerHeader } from '../../../console/api/login-header.ts';
import {
  encodeBytes,
  explainPath,
  fitsIntoPath,
  keyPath,
  nodePath,
} from '../../../console/api/paths.ts';

test('every byte of a key arrives as it is, and no key leaves its place in the path', () => {
  assert(
    property(uint8Array({ minLength: 1, maxLength: 40 }), (key) => {
      const path = keyPath('geo', key);
      expect(path.split('/')).toHaveLength(5);
      const bytes = encodeBytes(key).replaceAll(/%(..)/g, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      );
      expect(Buffer.from(bytes, 'latin1')).toEqual(Buffer.from(key));
      if (fitsIntoPath(key)) {
        expect(new URL(path, 'http://host/').pathname).toBe(`/${path}`);
      }
    }),
  );
  expect(['', '.', '..', '...'].map((key) => fitsIntoPath(Buffer.from(key)))).toEqual([
    false,
    false,
    false,
    true,
  ]);
  expect(explainPath('a/b', Buffer.from('c/d'))).toBe('v1/explain/a%2Fb/c%2Fd');
  expect(nodePath('node 1', '/drain')).toBe('v1/nodes/node%201/drain');
});

test('a login is sent in UTF-8', () => {
  expect(basicHeader('åse', 'påss: wörd')).toBe(
    `Basic ${Buffer.from('åse:påss: wörd').toString('base64')}`,
  );
  expect(bearerHeader(' token\n')).toBe('Bearer token');
});
