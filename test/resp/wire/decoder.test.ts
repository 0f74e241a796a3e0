import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  RESP_ARGUMENTS_MAX,
  RESP_INLINE_BYTES_MAX,
  VALUE_BYTES_MAX,
} from '../../../base/limits.ts';
import { CommandDecoder } from '../../../resp/wire/decoder.ts';
import { cutAt, decodeCommands, multibulk, words } from '../split.ts';

const decodeText = (text: string): ReturnType<typeof decodeCommands> =>
  decodeCommands([Buffer.from(text, 'latin1')]);

describe('CommandDecoder', () => {
  it('reads pipelined multibulk commands', () => {
    const bytes = Buffer.concat([
      multibulk('GET', 'a\r\nb'),
      multibulk('MGET', '', 'x'.repeat(300)),
    ]);
    expect(decodeCommands([bytes])).toEqual({
      commands: [
        ['GET', 'a\r\nb'],
        ['MGET', '', 'x'.repeat(300)],
      ],
      error: undefined,
    });
  });

  it('gives the same commands wherever a stream is cut in two or three', () => {
    const stream = Buffer.concat([
      Buffer.from('\r\n*0\r\n*-1\r\n\n'),
      multibulk('GET', 'key'),
      Buffer.from("set \"a\\x41 b\" 'it\\'s'\r\n"),
      multibulk('ECHO', ''),
      multibulk('MGET', 'a', 'bb', 'ccc', 'ddddddddddd'),
      Buffer.from('PING\n'),
    ]);
    const whole = decodeCommands([Buffer.from(stream)]);
    expect(whole.commands).toEqual([
      ['GET', 'key'],
      ['set', 'aA b', "it's"],
      ['ECHO', ''],
      ['MGET', 'a', 'bb', 'ccc', 'ddddddddddd'],
      ['PING'],
    ]);
    for (let first = 0; first <= stream.length; first++) {
      expect(decodeCommands(cutAt(stream, [first]))).toEqual(whole);
      expect(decodeCommands(cutAt(stream, [first, (first * 7) % stream.length]))).toEqual(whole);
    }
    const single = Array.from({ length: stream.length - 1 }, (_, index) => index + 1);
    expect(decodeCommands(cutAt(stream, single))).toEqual(whole);
  });

  it('returns any commands it was sent, cut anywhere', () => {
    const command = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 8 }),
        fc.array(fc.nat(2000), { maxLength: 10 }),
        (sent, cuts) => {
          const bytes = Buffer.concat(
            sent.map((parts) => multibulk(...parts.map((part) => Buffer.from(part)))),
          );
          const inside = cuts.filter((cut) => cut <= bytes.length);
          expect(decodeCommands(cutAt(bytes, inside))).toEqual({
            commands: sent.map((parts) => parts.map((p) => Buffer.from(p).toString('latin1'))),
            error: undefined,
          });
        },
      ),
    );
  });

  it('gives the same commands and the same error for any bytes, cut anywhere', () => {
    const piece = fc.constantFrom(
      '*',
      '$',
      '1',
      '2',
      '-1',
      '0',
      '\r\n',
      '\n',
      '\r',
      'a',
      '"',
      "'",
      '\\',
      ' ',
      '3\r\nabc\r\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.array(fc.nat(60)), (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(''));
        const inside = cuts.filter((cut) => cut <= bytes.length);
        expect(decodeCommands(cutAt(bytes, inside))).toEqual(decodeCommands([Buffer.from(bytes)]));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['*x\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['* 1\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*-\r\n', 'invalid multibulk length'],
    [`*${RESP_ARGUMENTS_MAX + 1}\r\n`, 'invalid multibulk length'],
    ['*99999999999999999999\r\n', 'invalid multibulk length'],
    ['*1\r\n#1\r\n', "expected '$', got '#'"],
    ['*1\r\n\r\n', "expected '$', got '\r'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$x\r\n', 'invalid bulk length'],
    ['*1\r\n$+1\r\n', 'invalid bulk length'],
    ['*1\r\n$00\r\n', 'invalid bulk length'],
    [`*1\r\n$${VALUE_BYTES_MAX + 1}\r\n`, 'invalid bulk length'],
    ['"abc\r\n', 'unbalanced quotes in request'],
    ['"abc"d\r\n', 'unbalanced quotes in request'],
    ["'abc\\'\r\n", 'unbalanced quotes in request'],
    [`${'a'.repeat(RESP_INLINE_BYTES_MAX + 1)}\r\n`, 'too big inline request'],
    ['a'.repeat(RESP_INLINE_BYTES_MAX + 1), 'too big inline request'],
    [`*${'1'.repeat(RESP_INLINE_BYTES_MAX + 1)}`, 'too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(RESP_INLINE_BYTES_MAX + 1)}`, 'too big bulk count string'],
  ])('refuses %j', (text, detail) => {
    expect(decodeText(`PING\r\n${text}`)).toEqual({
      commands: [['PING']],
      error: `Protocol error: ${detail}`,
    });
  });

  it.each([
    ['*11\r\n', 'unauthenticated multibulk length'],
    ['*1\r\n$40000\r\n', 'unauthenticated bulk length'],
    [`*3\r\n${`$16000\r\n${'a'.repeat(16_000)}\r\n`.repeat(3)}`, 'unauthenticated bulk length'],
  ])('refuses a command that no login needs, before the login: %j', (text, detail) => {
    const decoder = new CommandDecoder();
    decoder.isStranger = true;
    decoder.push(Buffer.from(text));
    expect(() => decoder.next()).toThrow(`Protocol error: ${detail}`);
    const later = new CommandDecoder();
    later.isStranger = true;
    later.isStranger = false;
    later.push(Buffer.from(text));
    expect(() => later.next()).not.toThrow();
  });

  it('accepts the longest inline line and the most arguments', () => {
    expect(decodeText(`${'a'.repeat(RESP_INLINE_BYTES_MAX)}\n`).commands[0]?.[0]).toHaveLength(
      RESP_INLINE_BYTES_MAX,
    );
    const many = multibulk(...Array.from({ length: RESP_ARGUMENTS_MAX }, () => 'k'));
    expect(decodeCommands([many]).commands[0]).toHaveLength(RESP_ARGUMENTS_MAX);
  });

  it('unquotes inline words as Redis does', () => {
    const line = String.raw`a "b c" d"e f" 'g\'h\n' "\x00\xfF\n\r\t\a\b\q\"" ""`;
    expect(decodeText(`  ${line}  \r\n`).commands).toEqual([
      ['a', 'b c', 'de f', String.raw`g'h\n`, '\x00\xff\n\r\t\x07\bq"', ''],
    ]);
  });

  it('bounds one request as a whole', () => {
    const decoder = new CommandDecoder();
    const part = Buffer.alloc(VALUE_BYTES_MAX);
    decoder.push(Buffer.from(`*3\r\n$${part.length}\r\n`));
    decoder.next();
    decoder.push(part);
    expect(decoder.next()).toBe(false);
    decoder.push(Buffer.from(`\r\n$${part.length}\r\n`));
    expect(() => decoder.next()).toThrow('Protocol error: too big request');
  });

  it('reads a large bulk in small chunks in linear time, and releases its memory', () => {
    const decoder = new CommandDecoder();
    const chunk = Buffer.alloc(16 * 1024, 'v');
    const chunkCount = 1024;
    decoder.push(Buffer.from(`*2\r\n$4\r\nECHO\r\n$${chunk.length * chunkCount}\r\n`));
    let grown = 0;
    for (let index = 0; index < chunkCount; index++) {
      expect(decoder.next()).toBe(false);
      const before = decoder.buffer;
      decoder.push(chunk);
      if (decoder.buffer !== before) grown++;
    }
    expect(grown).toBeLessThan(20);
    expect(decoder.buffer.length).toBeLessThan(3 * chunk.length * chunkCount);
    decoder.push(Buffer.from('\r\n'));
    expect(decoder.next()).toBe(true);
    expect((decoder.ends[1] ?? 0) - (decoder.starts[1] ?? 0)).toBe(chunk.length * chunkCount);
    expect(decoder.longestBytes).toBe(chunk.length * chunkCount);
    expect(decoder.next()).toBe(false);
    expect(decoder.buffer.length).toBe(0);
  });

  it('reserves nothing for arguments that are only announced', () => {
    const decoder = new CommandDecoder();
    decoder.push(Buffer.from(`*${RESP_ARGUMENTS_MAX}\r\n$${VALUE_BYTES_MAX}\r\nx`));
    expect(decoder.next()).toBe(false);
    expect(decoder.starts.length).toBeLessThan(100);
    expect(decoder.buffer.length).toBeLessThan(1000);
    expect(decoder.unfinished).toBe(true);
  });

  it('gives a held command again, even if more bytes have arrived', () => {
    const decoder = new CommandDecoder();
    decoder.push(Buffer.concat([multibulk('PING'), Buffer.from('HELLO "3"\r\n*1\r\n$4\r\nQU')]));
    expect(decoder.next()).toBe(true);
    expect(decoder.next()).toBe(true);
    decoder.hold();
    decoder.push(Buffer.from('IT\r\n'));
    expect(decoder.next()).toBe(true);
    expect(words(decoder)).toEqual(['HELLO', '3']);
    expect(decoder.next()).toBe(true);
    expect(words(decoder)).toEqual(['QUIT']);
    expect(decoder.next()).toBe(false);
    expect(decoder.unfinished).toBe(false);
  });
});
