import { assert, json, property } from 'fast-check';
import { expect, it } from 'vitest';
import { parseJsonBody } from '../../../../master/front/http/json-body.ts';

const codeOf = (text: string): unknown => {
  try {
    return parseJsonBody(Buffer.from(text));
  } catch (thrown) {
    return (thrown as { code?: string }).code;
  }
};

it('is what JSON.parse gives', () => {
  assert(
    property(json({ maxDepth: 5 }), (text) => {
      expect(parseJsonBody(Buffer.from(text))).toEqual(JSON.parse(text));
    }),
    { seed: 20_263, numRuns: 500 },
  );
});

it.each([
  '{"keys":["a"],"keys":["b"]}',
  '{"keys":["a"],"\\u006beys":["b"]}',
  '{"a":{"x":1, "y":2 , "x" :3}}',
  '[{"a":1},{"b":{"c":1,"c":2}}]',
])('refuses a member that is there twice: %s', (text) => {
  expect(codeOf(text)).toBe('INVALID_ARGUMENT');
});

it('the same name in another object, or as a value, is no second member', () => {
  for (const text of ['[{"a":1},{"a":2}]', '{"a":{"a":"a"},"b":["a","a"]}', '{"a":"\\"a\\":1,"}']) {
    expect(codeOf(text)).toEqual(JSON.parse(text));
  }
});

it('refuses what is too much before it makes anything of it', () => {
  expect(codeOf(`{"keys":[${'"",'.repeat(5_000_000)}""]}`)).toBe('BATCH_TOO_LARGE');
  expect(codeOf('['.repeat(100_000))).toBe('INVALID_ARGUMENT');
  expect(codeOf('{"keys":')).toBe('INVALID_ARGUMENT');
  expect(codeOf('"a')).toBe('INVALID_ARGUMENT');
  expect(codeOf('')).toBe('INVALID_ARGUMENT');
});

it('refuses bytes that are not UTF-8, whose place U+FFFD would take', () => {
  for (const key of [[0xe9], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    const body = Buffer.concat([Buffer.from('{"keys":["'), Buffer.from(key), Buffer.from('"]}')]);
    expect(() => parseJsonBody(body)).toThrow(/not UTF-8/);
  }
});
