import { expect, it } from 'vitest';
import { RespReplies } from '../../../cli/bench/resp-replies.ts';

const BYTES = Buffer.from('+OK\r\n$5\r\na\r\nbc\r\n$-1\r\n_\r\n-ERR no\r\n$0\r\n\r\n:7\r\n');
const SEEN = ['status OK', 'value a\r\nbc', 'null ', 'null ', 'error ERR no', 'value ', 'other :7'];

function read(chunks: readonly Buffer[]): string[] {
  const seen: string[] = [];
  const replies = new RespReplies((kind, bytes, start, end) => {
    seen.push(`${kind} ${bytes.toString('latin1', start, end)}`);
  });
  for (const chunk of chunks) replies.push(chunk);
  return seen;
}

it('reads every kind of reply, split at any byte', () => {
  expect(read([BYTES])).toEqual(SEEN);
  for (let at = 1; at < BYTES.length; at++) {
    expect(read([BYTES.subarray(0, at), BYTES.subarray(at)])).toEqual(SEEN);
  }
  expect(read([...BYTES].map((byte) => Buffer.from([byte])))).toEqual(SEEN);
});
