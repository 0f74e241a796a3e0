import { describe, expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { ReplyWriter } from '../../../resp/wire/encoder.ts';

function written(protocol: 2 | 3, write: (out: ReplyWriter) => void): string {
  const out = new ReplyWriter();
  out.protocol = protocol;
  write(out);
  return out.take().toString('latin1');
}

describe('ReplyWriter', () => {
  it.each<[string, (out: ReplyWriter) => void, string, string]>([
    ['simple', (out) => out.ok(), '+OK\r\n', '+OK\r\n'],
    ['integer 0', (out) => out.integer(0), ':0\r\n', ':0\r\n'],
    ['integer -42', (out) => out.integer(-42), ':-42\r\n', ':-42\r\n'],
    ['integer 1000', (out) => out.integer(1000), ':1000\r\n', ':1000\r\n'],
    [
      'largest integer',
      (out) => out.integer(Number.MAX_SAFE_INTEGER),
      ':9007199254740991\r\n',
      ':9007199254740991\r\n',
    ],
    ['bulk', (out) => out.bulk(Buffer.from('xabcx'), 1, 4), '$3\r\nabc\r\n', '$3\r\nabc\r\n'],
    ['empty bulk', (out) => out.bulk(Buffer.alloc(0)), '$0\r\n\r\n', '$0\r\n\r\n'],
    ['bulk text', (out) => out.bulkText('é'), '$2\r\n\xc3\xa9\r\n', '$2\r\n\xc3\xa9\r\n'],
    ['nil', (out) => out.nil(), '$-1\r\n', '_\r\n'],
    ['null array', (out) => out.nullArray(), '*-1\r\n', '_\r\n'],
    ['array', (out) => out.array(2), '*2\r\n', '*2\r\n'],
    ['map', (out) => out.map(2), '*4\r\n', '%2\r\n'],
    ['set', (out) => out.set(2), '*2\r\n', '~2\r\n'],
    ['push', (out) => out.push(2), '*2\r\n', '>2\r\n'],
    ['double', (out) => out.double(1.5), '$3\r\n1.5\r\n', ',1.5\r\n'],
    ['infinity', (out) => out.double(Number.NEGATIVE_INFINITY), '$4\r\n-inf\r\n', ',-inf\r\n'],
    ['boolean', (out) => out.boolean(true), ':1\r\n', '#t\r\n'],
    ['verbatim', (out) => out.verbatim('hi'), '$2\r\nhi\r\n', '=6\r\ntxt:hi\r\n'],
  ])('encodes %s for RESP2 and RESP3', (_name, write, resp2, resp3) => {
    expect(written(2, write)).toBe(resp2);
    expect(written(3, write)).toBe(resp3);
  });

  it('lets no line break into an error', () => {
    expect(written(2, (out) => out.error('ERR a\r\nb\n+OK'))).toBe('-ERR a  b +OK\r\n');
  });

  it('writes a failure with the code word of the error table', () => {
    const error = new SteleError('UNAVAILABLE', 'No replica answers.');
    expect(written(2, (out) => out.failure(error))).toBe('-CLUSTERDOWN No replica answers.\r\n');
  });

  it('keeps order and bytes over any sizes, copied or referenced', () => {
    const out = new ReplyWriter();
    const expected: Buffer[] = [];
    for (const size of [0, 1, 47, 48, 49, 1000, 16_383, 16_384, 65_535, 65_536, 70_000, 300_000]) {
      const value = Buffer.alloc(size, size % 251);
      out.bulk(value);
      out.bulkImmutable(value);
      const one = Buffer.concat([Buffer.from(`$${size}\r\n`), value, Buffer.from('\r\n')]);
      expected.push(one, one);
    }
    const all = Buffer.concat(expected);
    expect(out.byteLength).toBe(all.length);
    expect(out.take().equals(all)).toBe(true);
    expect(out.byteLength).toBe(0);
    expect(out.takeChunks()).toEqual([]);
  });

  it('references a large immutable bulk in shared memory', () => {
    const out = new ReplyWriter();
    const value = Buffer.from(new SharedArrayBuffer(100_000));
    out.bulkImmutable(value, 10, 90_000);
    const chunks = out.takeChunks();
    expect(chunks.map((chunk) => chunk.buffer === value.buffer)).toEqual([false, true, false]);
    expect(chunks[1]?.length).toBe(89_990);
  });

  it('never changes bytes that were taken', () => {
    const out = new ReplyWriter();
    out.simple('first');
    const first = out.take();
    for (let index = 0; index < 20_000; index++) out.simple('another');
    out.take();
    expect(first.toString()).toBe('+first\r\n');
  });

  it.each([3, 30_000, 200_000])('rewinds what a command wrote, %i bytes of it', (size) => {
    const out = new ReplyWriter();
    out.simple('before');
    out.mark();
    out.array(2);
    out.bulk(Buffer.alloc(size));
    out.bulkImmutable(Buffer.alloc(size));
    out.rewind();
    out.simple('after');
    expect(out.take().toString()).toBe('+before\r\n+after\r\n');
  });

  it('fails a command whose copied replies would exceed half a gibibyte', () => {
    const out = new ReplyWriter();
    const value = Buffer.alloc(128 * 1024 * 1024);
    out.mark();
    expect(() => {
      for (let index = 0; index < 5; index++) out.bulk(value);
    }).toThrow('The reply is too large');
    out.rewind();
    expect(out.byteLength).toBe(0);
  });
});
