import { describe, expect, it } from 'vitest';
import { CommandDecoder } from '../../../resp/wire/decoder.ts';
import { collectKeys, keysPattern, literalOf } from '../../../resp/data/keys-command.ts';
import { multibulk } from '../split.ts';

function parse(pattern: string): CommandDecoder {
  const decoder = new CommandDecoder();
  decoder.push(Buffer.from(multibulk('KEYS', pattern)));
  expect(decoder.next()).toBe(true);
  return decoder;
}

describe('KEYS', () => {
  it('treats a pattern without special characters as a key', () => {
    expect(literalOf(parse('{user}:1-x'))).toEqual(Buffer.from('{user}:1-x'));
    for (const pattern of ['*', 'a?', 'a[bc]', 'a\\*'])
      expect(literalOf(parse(pattern))).toBeUndefined();
  });

  it('is for small keyspaces, and for keys that can be held in memory together', async () => {
    expect(keysPattern(parse('a*'), 100_000)).toEqual(Buffer.from('a*'));
    expect(() => keysPattern(parse('a*'), 100_001)).toThrow(
      /up to 100,000 keys.*100,001; use SCAN/,
    );
    expect(() => keysPattern(parse('*'.repeat(1025)), 1)).toThrow(/at most 1024 bytes/);
    const large = Promise.resolve({
      keys: [Buffer.alloc(9 * 1024 ** 2)],
      next: { shard: 0, position: 1 },
    });
    await expect(collectKeys({ from: 0, to: 1 }, () => large)).rejects.toThrow(/too long together/);
  });
});
