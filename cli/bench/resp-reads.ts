// Reads over the Redis protocol: GET.

import type { Login } from '../../access/basic.ts';
import type { Protocol } from './pipelined-target.ts';
import { MISS, failed } from './read-target.ts';
import type { ReadOutcome } from './read-target.ts';
import { RespReplies } from './resp-replies.ts';
import type { ReplyKind } from './resp-replies.ts';

/**
 * `keyspace` undefined: none is selected. A refused login or keyspace shows as the errors of the
 * reads.
 */
export function respReads(
  address: string,
  keys: readonly Buffer[],
  keyspace: string | undefined,
  login: Login | undefined,
): Protocol {
  return {
    name: `RESP ${address}`,
    requests: keys.map((key) => command('GET', key)),
    greeting: [
      ...(login === undefined ? [] : [command('AUTH', login.user, login.password)]),
      ...(keyspace === undefined ? [] : [command('SELECT', keyspace)]),
    ],
    decoder: (onOutcome) =>
      new RespReplies((kind, bytes, start, end) => onOutcome(outcomeOf(kind, bytes, start, end))),
  };
}

/** `words` as an array of bulk strings. */
function command(...words: (string | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => {
    const bytes = Buffer.from(word);
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

function outcomeOf(kind: ReplyKind, bytes: Buffer, start: number, end: number): ReadOutcome {
  switch (kind) {
    case 'value':
      return { status: 'hit', value: bytes.subarray(start, end) };
    case 'null':
      return MISS;
    case 'error':
      return failed(bytes.toString('utf8', start, end));
    case 'status':
    case 'other':
      return failed('the reply is not one to GET');
  }
}
