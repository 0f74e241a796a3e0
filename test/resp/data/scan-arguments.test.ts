import { describe, expect, it } from 'vitest';
import { CommandDecoder } from '../../../resp/wire/decoder.ts';
import { scanArguments } from '../../../resp/data/scan-arguments.ts';
import type { ScanArguments } from '../../../resp/data/scan-arguments.ts';
import { multibulk } from '../split.ts';

function parse(...words: string[]): ScanArguments {
  const decoder = new CommandDecoder();
  decoder.push(Buffer.from(multibulk('SCAN', ...words)));
  expect(decoder.next()).toBe(true);
  return scanArguments(decoder);
}

describe('the arguments of SCAN', () => {
  it('are a cursor, and options in any order and case', () => {
    expect(parse('0')).toMatchObject({ count: 256, pattern: undefined, strings: true });
    expect(parse('0', 'type', 'STRING', 'CoUnT', '700', 'MATCH', 'a*')).toMatchObject({
      count: 700,
      pattern: Buffer.from('a*'),
      strings: true,
    });
    expect(parse('0', 'TYPE', 'hash').strings).toBe(false);
    expect(parse('0', 'MATCH', '').strings).toBe(false);
  });

  it('ask for at least a few hundred records, because a call costs more than these', () => {
    expect(parse('0', 'COUNT', '1').count).toBe(256);
  });

  it('are bounded: a large COUNT is cut, because it is only a hint', () => {
    expect(parse('0', 'COUNT', '9223372036854775807').count).toBe(10_000);
    expect(parse('0', 'MATCH', '?'.repeat(1024)).pattern).toHaveLength(1024);
    expect(() => parse('0', 'MATCH', '?'.repeat(1025))).toThrow(/at most 1024 bytes/);
  });

  it('with a pattern of stars alone match everything', () => {
    expect(parse('0', 'MATCH', '*').pattern).toBeUndefined();
    expect(parse('0', 'MATCH', '**').pattern).toBeUndefined();
  });

  it.each([
    [['x'], 'invalid cursor'],
    [['x', 'COUNT', 'y'], 'invalid cursor'],
    [['0', 'COUNT', '0'], 'syntax error'],
    [['0', 'COUNT', '-1'], 'syntax error'],
    [['0', 'COUNT', 'x'], 'value is not an integer or out of range'],
    [['0', 'COUNT'], 'syntax error'],
    [['0', 'foo', 'bar'], 'syntax error'],
    [['0', 'MATCH'], 'syntax error'],
  ])('%j are refused in the words of Redis', (words, message) => {
    expect(() => parse(...words)).toThrow(message);
  });
});
