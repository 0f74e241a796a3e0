import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quote } from '../../cli/repl/format-reply.ts';
import { splitArguments } from '../../cli/repl/split-arguments.ts';

function split(line: string): string[] | undefined {
  return splitArguments(line)?.map((arg) => arg.toString('latin1'));
}

describe('splitArguments', () => {
  it.each<[string, string[]]>([
    ['', []],
    ['   \t ', []],
    ['GET x', ['GET', 'x']],
    ['  GET   x  ', ['GET', 'x']],
    ['GET "a b"', ['GET', 'a b']],
    ['GET ""', ['GET', '']],
    ["GET ''", ['GET', '']],
    ['GET "a\\"b"', ['GET', 'a"b']],
    ['GET "\\x00\\xff\\xZZ"', ['GET', '\u0000\u00ffxZZ']],
    ['GET "\\n\\r\\t\\b\\a\\q"', ['GET', '\n\r\t\b\u0007q']],
    ["GET 'a\\n\"b\\'c'", ['GET', 'a\\n"b\'c']],
    ['GET a"b c"', ['GET', 'ab c']],
    ['GET a\\nb', ['GET', 'a\\nb']],
  ])('splits %j', (line, args) => {
    expect(split(line)).toEqual(args);
  });

  it.each(['GET "a', "GET 'a", 'GET "a"b', "GET 'a'b", 'GET "a\\"', 'GET "a\\'])(
    'refuses %j, whose quotes do not balance',
    (line) => {
      expect(splitArguments(line)).toBeUndefined();
    },
  );

  it('sends other alphabets as UTF-8, quoted or not', () => {
    const bytes = Buffer.from('päivä🎉', 'utf8');
    expect(splitArguments('päivä🎉 "päivä🎉" \'päivä🎉\'')).toEqual([bytes, bytes, bytes]);
  });

  it('reads back the bytes of any quoted reply', () => {
    assert(
      property(uint8Array({ maxLength: 64 }), (bytes) => {
        expect(splitArguments(quote(bytes))).toEqual([Buffer.from(bytes)]);
      }),
    );
  });
});
