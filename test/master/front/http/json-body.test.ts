import { assert, json, property } from 'fast-check';
import { expect, it } from 'vitest';
import { parseJsonBody } from '../../../../master/front/http/json-body.ts';

const codeOf = (text: string): unknown => {
  try {
    return parseJsonBody(text);
  } catch (thrown) {
    return (thrown as { code?: string }).code;
  }
};

it('is what JSON.parse gives', () => {
  assert(
    property(json({ maxDepth: 5 }), (text) => {
      expect(parseJsonBody(text)).toEqual(JSON.parse(text));
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
