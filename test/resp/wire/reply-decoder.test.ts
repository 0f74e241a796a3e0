import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplyWriter } from '../../../resp/wire/encoder.ts';
import { cutAt, decodeReplies } from '../split.ts';

const decodeText = (text: string): unknown[] => decodeReplies([Buffer.from(text)]);

const EVERY_TYPE = [
  '+OK\r\n',
  '-ERR no\r\n',
  ':-7\r\n',
  ':9223372036854775807\r\n',
  '$3\r\na\r\n\r\n',
  '$0\r\n\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '_\r\n',
  '*3\r\n:1\r\n*0\r\n*2\r\n+a\r\n$1\r\nb\r\n',
  '%1\r\n+k\r\n*1\r\n:1\r\n',
  '~1\r\n+m\r\n',
  '>2\r\n+push\r\n:1\r\n',
  ',1.5\r\n',
  ',inf\r\n',
  '#t\r\n',
  '(12345678901234567890\r\n',
  '=8\r\ntxt:text\r\n',
  '!5\r\nERR x\r\n',
  '|1\r\n+ttl\r\n:5\r\n+with attribute\r\n',
].join('');

describe('ReplyDecoder', () => {
  it('reads every type of RESP2 and RESP3', () => {
    const simple = (text: string): object => ({ type: 'simple', text });
    const integer = (value: number): object => ({ type: 'integer', value });
    const bulk = (text: string): object => ({ type: 'bulk', bytes: Buffer.from(text) });
    expect(decodeText(EVERY_TYPE)).toEqual([
      simple('OK'),
      { type: 'error', text: 'ERR no' },
      integer(-7),
      { type: 'bigNumber', value: 9_223_372_036_854_775_807n },
      bulk('a\r\n'),
      bulk(''),
      { type: 'nil' },
      { type: 'nil' },
      { type: 'nil' },
      {
        type: 'array',
        items: [
          integer(1),
          { type: 'array', items: [] },
          { type: 'array', items: [simple('a'), bulk('b')] },
        ],
      },
      { type: 'map', entries: [[simple('k'), { type: 'array', items: [integer(1)] }]] },
      { type: 'set', items: [simple('m')] },
      { type: 'push', items: [simple('push'), integer(1)] },
      { type: 'double', value: 1.5 },
      { type: 'double', value: Number.POSITIVE_INFINITY },
      { type: 'boolean', value: true },
      { type: 'bigNumber', value: 12_345_678_901_234_567_890n },
      { type: 'verbatim', format: 'txt', bytes: Buffer.from('text') },
      { type: 'error', text: 'ERR x' },
      simple('with attribute'),
    ]);
  });

  it('gives the same replies wherever the stream is cut', () => {
    const bytes = Buffer.from(EVERY_TYPE);
    const whole = decodeReplies([bytes]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(decodeReplies(cutAt(bytes, [cut]))).toEqual(whole);
    }
    const single = Array.from({ length: bytes.length - 1 }, (_, index) => index + 1);
    expect(decodeReplies(cutAt(bytes, single))).toEqual(whole);
  });

  it('keeps the first items of a long array unchanged while the others arrive', () => {
    const count = 100;
    const items = Array.from({ length: count }, (_, at) => `item ${at}`);
    const text = `*${count}\r\n${items.map((item) => `$${item.length}\r\n${item}\r\n`).join('')}`;
    for (let piece = 1; piece < 80; piece++) {
      const cuts = Array.from({ length: Math.floor(text.length / piece) }, (_, at) => at * piece);
      expect(decodeReplies(cutAt(Buffer.from(text), cuts))).toEqual([
        { type: 'array', items: items.map((item) => ({ type: 'bulk', bytes: Buffer.from(item) })) },
      ]);
    }
  });

  it('reads what ReplyWriter wrote, cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.uint8Array({ maxLength: 100 }))),
        fc.array(fc.nat(3000), { maxLength: 6 }),
        (values, cuts) => {
          const out = new ReplyWriter();
          out.array(values.length);
          for (const value of values) {
            if (value === null) out.nil();
            else out.bulk(value);
          }
          const bytes = out.take();
          const inside = cuts.filter((cut) => cut <= bytes.length);
          const items = values.map((value) =>
            value === null ? { type: 'nil' } : { type: 'bulk', bytes: Buffer.from(value) },
          );
          expect(decodeReplies(cutAt(bytes, inside))).toEqual([{ type: 'array', items }]);
        },
      ),
    );
  });

  it.each([
    ['?\r\n', 'unknown reply type'],
    [':x\r\n', 'invalid integer'],
    [':\r\n', 'invalid integer'],
    ['$x\r\n', 'invalid length'],
    ['$-2\r\n', 'invalid length'],
    ['$?\r\n', 'invalid length'],
    ['$99999999999\r\n', 'invalid length'],
    ['*99999999\r\n', 'invalid length'],
    ['#x\r\n', 'invalid boolean'],
    [',x\r\n', 'invalid double'],
    ['(x\r\n', 'invalid big number'],
    ['|0\r\n', 'empty attribute'],
    ['$1\r\nabc', 'not followed by a line break'],
    ['*1\r\n'.repeat(40), 'nested too deeply'],
  ])('refuses %j', (text, message) => {
    expect(() => decodeText(text)).toThrow(message);
  });
});
