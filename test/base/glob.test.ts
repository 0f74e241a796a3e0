import { describe, expect, it } from 'vitest';
import { globMatches } from '../../base/glob.ts';

const matches = (pattern: string, text: string, ignoreCase = false): boolean =>
  globMatches(Buffer.from(pattern, 'latin1'), Buffer.from(text, 'latin1'), ignoreCase);

describe('globMatches', () => {
  it.each([
    ['*', ''],
    ['*', 'abc'],
    ['a*c', 'abbc'],
    ['a*', 'a'],
    ['**a**', 'xax'],
    ['h?llo', 'hello'],
    ['h[ae]llo', 'hallo'],
    ['h[^e]llo', 'hallo'],
    ['h[a-c]llo', 'hbllo'],
    ['h[c-a]llo', 'hbllo'],
    [String.raw`a\*b`, 'a*b'],
    [String.raw`[\]]`, ']'],
    ['[a', 'a'],
    ['*a*b*c', 'xxaxxbxxcxxc'],
    ['\xff*', '\xff\x00'],
    ['', ''],
  ])('%j matches %j', (pattern, text) => {
    expect(matches(pattern, text)).toBe(true);
  });

  it.each([
    ['', 'a'],
    ['a', ''],
    ['?', ''],
    ['a*c', 'ab'],
    ['h[^e]llo', 'hello'],
    ['h[a-c]llo', 'hdllo'],
    ['[]', 'a'],
    [String.raw`a\*b`, 'axb'],
    ['abc', 'abcd'],
    ['ABC', 'abc'],
  ])('%j does not match %j', (pattern, text) => {
    expect(matches(pattern, text)).toBe(false);
  });

  it('ignores ASCII case on request', () => {
    expect(matches('AB[C-D]*', 'abcx', true)).toBe(true);
  });

  it('is quick on patterns made to be slow', () => {
    expect(matches(`${'a*'.repeat(200)}b`, 'a'.repeat(5000))).toBe(false);
  });
});
