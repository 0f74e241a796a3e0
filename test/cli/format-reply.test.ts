import { describe, expect, it } from 'vitest';
import {
  formatReply,
  formatReplyRaw,
  formatReplyRawTo,
  formatReplyTo,
} from '../../cli/repl/format-reply.ts';
import type { Reply } from '../../client/resp-client.ts';

function bulk(text: string): Reply {
  return { type: 'bulk', bytes: Buffer.from(text, 'latin1') };
}

function array(...items: Reply[]): Reply {
  return { type: 'array', items };
}

const one: Reply = { type: 'integer', value: 1 };
const nil: Reply = { type: 'nil' };

describe('formatReply', () => {
  it.each<[string, Reply, string]>([
    ['a status as it is', { type: 'simple', text: 'PONG' }, 'PONG'],
    ['an error as an error', { type: 'error', text: 'ERR no' }, '(error) ERR no'],
    ['an integer', one, '(integer) 1'],
    ['a big number', { type: 'bigNumber', value: 2n ** 64n }, '(integer) 18446744073709551616'],
    ['a double', { type: 'double', value: 1.5 }, '(double) 1.5'],
    ['infinity', { type: 'double', value: Number.NEGATIVE_INFINITY }, '(double) -inf'],
    ['a boolean', { type: 'boolean', value: false }, '(false)'],
    ['a string in quotes', bulk('a b'), '"a b"'],
    ['an empty string', bulk(''), '""'],
    [
      'bytes escaped',
      bulk('\\"\n\r\t\u0007\b\u0000\u00ff\u007f'),
      '"\\\\\\"\\n\\r\\t\\a\\b\\x00\\xff\\x7f"',
    ],
    [
      'text without quotes',
      { type: 'verbatim', format: 'txt', bytes: Buffer.from('a\nb') },
      'a\nb',
    ],
    ['nothing', nil, '(nil)'],
    ['an empty array', array(), '(empty array)'],
    ['an empty map', { type: 'map', entries: [] }, '(empty hash)'],
    ['an empty set', { type: 'set', items: [] }, '(empty set)'],
  ])('shows %s', (_what, reply, text) => {
    expect(formatReply(reply)).toBe(text);
  });

  it('numbers the elements of nested arrays below each other', () => {
    const reply = array(bulk('a'), array(one, array(nil, bulk('x'))), array());
    expect(formatReply(reply)).toBe(
      ['1) "a"', '2) 1) (integer) 1', '   2) 1) (nil)', '      2) "x"', '3) (empty array)'].join(
        '\n',
      ),
    );
  });

  it('makes room for the longest number', () => {
    const reply = array(...Array.from({ length: 10 }, () => array(one, one)));
    const lines = formatReply(reply).split('\n');
    expect(lines[0]).toBe(' 1) 1) (integer) 1');
    expect(lines[1]).toBe('    2) (integer) 1');
    expect(lines.at(-2)).toBe('10) 1) (integer) 1');
  });

  it('shows maps and sets with their own marks', () => {
    const set: Reply = { type: 'set', items: [bulk('x'), bulk('y')] };
    const reply: Reply = {
      type: 'map',
      entries: [
        [bulk('a'), one],
        [bulk('b'), set],
      ],
    };
    expect(formatReply(reply)).toBe(
      ['1# "a" => (integer) 1', '2# "b" =>', '   1~ "x"', '   2~ "y"'].join('\n'),
    );
  });
});

describe('formatReplyRaw', () => {
  it('gives the bytes of a value unchanged', () => {
    const bytes = Buffer.from([0, 255, 10, 34]);
    expect(formatReplyRaw({ type: 'bulk', bytes })).toEqual(bytes);
  });

  it('gives nothing for nil, and one line for each element', () => {
    expect(formatReplyRaw(nil)).toHaveLength(0);
    const reply = array(bulk('a'), nil, array(one, bulk('b')));
    expect(formatReplyRaw(reply).toString()).toBe('a\n\n1\nb');
  });

  it('gives maps as key and value with a space between', () => {
    const reply: Reply = { type: 'map', entries: [[bulk('k'), bulk('v')]] };
    expect(formatReplyRaw(reply).toString()).toBe('k v');
  });
});

describe('replies that are texts', () => {
  const text = bulk('# Server\r\na:1\r\n');

  it.each([['INFO'], ['info', 'server'], ['Cluster', 'Nodes'], ['CLIENT', 'LIST']])(
    'are shown as they are after %s %s',
    (...args) => {
      expect(formatReplyTo(args, text)).toBe('# Server\r\na:1');
      expect(formatReplyRawTo(args, text).toString()).toBe('# Server\r\na:1\r\n');
    },
  );

  it('are values like any other after GET', () => {
    expect(formatReplyTo(['GET', 'INFO'], text)).toBe('"# Server\\r\\na:1\\r\\n"');
    expect(formatReplyRawTo(['GET', 'INFO'], bulk('a\n')).toString()).toBe('a\n\n');
  });

  it('stay errors when they are errors', () => {
    expect(formatReplyTo(['INFO'], { type: 'error', text: 'ERR no' })).toBe('(error) ERR no');
  });
});
