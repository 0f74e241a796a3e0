import { describe, expect, test } from 'vitest';
import { checkGateFlags, gateOf } from '../../../loader/stages/gate-flags.ts';

const NONE = { expectRows: undefined, maxShrink: undefined, minRows: 0, requireKey: [] };
const of = (more: Partial<Parameters<typeof gateOf>[0]>) => gateOf({ ...NONE, ...more });
const refused = (pattern: RegExp) =>
  expect.objectContaining({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(pattern) as string,
  });

test('without flags nothing is asked for, and the rest is left to the master', () => {
  expect(of({})).toEqual({
    expectRows: undefined,
    expectTolerance: 0,
    minRows: undefined,
    maxShrink: undefined,
    requireKeys: [],
  });
  expect(of({ minRows: 7 }).minRows).toBe(7);
});

describe('--expect-rows', () => {
  test.each([
    ['1000000', 1_000_000, 0],
    [' 0 ', 0, 0],
    ['1000000±2%', 1_000_000, 0.02],
    ['1000000+-2%', 1_000_000, 0.02],
    ['10+-0.5 %', 10, 0.005],
    ['10±100%', 10, 1],
  ])('%s', (expectRows, rows, tolerance) => {
    expect(of({ expectRows })).toMatchObject({ expectRows: rows, expectTolerance: tolerance });
  });

  test.each([
    '',
    'x',
    '-1',
    '1.5',
    '1e6',
    '10%',
    '10±',
    '10±2',
    '10-+2%',
    '10±101%',
    '1'.repeat(16),
  ])('refuses %j', (expectRows) => {
    expect(() => of({ expectRows })).toThrow(refused(/^--expect-rows: /));
  });
});

test('--max-shrink is a percentage up to 100%', () => {
  expect(of({ maxShrink: '20%' }).maxShrink).toBe(0.2);
  expect(of({ maxShrink: '100%' }).maxShrink).toBe(1);
  for (const maxShrink of ['20', '', '-1%', '101%', 'all']) {
    expect(() => of({ maxShrink })).toThrow(refused(/^--max-shrink: /));
  }
});

describe('--require-key', () => {
  test.each([
    ['k', 'k', undefined],
    ['k=v', 'k', 'v'],
    ['k=', 'k', ''],
    ['k=a=b', 'k', 'a=b'],
    ['k=line\nline', 'k', 'line\nline'],
    ['a\\=b=c', 'a=b', 'c'],
    ['abc\\=\\=', 'abc==', undefined],
    ['a\\\\=v', 'a\\', 'v'],
    ['C:\\dir', 'C:\\dir', undefined],
    ['C:\\', 'C:\\', undefined],
    ['schlüssel=wert', 'schlüssel', 'wert'],
  ])('%j', (text, key, value) => {
    expect(of({ requireKey: [text] }).requireKeys).toEqual([
      { key: Buffer.from(key), value: value === undefined ? undefined : Buffer.from(value) },
    ]);
  });

  test.each(['', '=v', '='])('refuses %j', (text) => {
    expect(() => of({ requireKey: [text] })).toThrow(refused(/names no key/));
  });
});

test('--keep takes 0 for "as it is", and two at least', () => {
  const check = (keep: number) => () => checkGateFlags({ ...NONE, keep });
  for (const keep of [0, 2, 100]) expect(check(keep)).not.toThrow();
  expect(check(1)).toThrow(refused(/^--keep: 1 is out of range/));
});
