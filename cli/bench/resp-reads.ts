// Reads over the Redis protocol: GET.

import type { Protocol } from './pipelined-target.ts';
import { MISS, failed } from './read-target.ts';
import type { ReadOutcome } from './read-target.ts';
import { RespReplies } from './resp-replies.ts';
import type { ReplyKind } from './resp-replies.ts';

/** `login`: the arguments of AUTH. `keyspace` undefined: none is selected. A refused login or keyspace shows as the errors of the reads. */
export function respReads(
  address: string,
  keys: readonly Buffer[],
  keyspace: string | undefined,
  login: readonly string[] | undefined,
): Protocol {
  return {
    name: `RESP ${address}`,
    requests: keys.map((key) => command('GET', key)),
    greeting: [
      ...(login === undefined ? [] : [command('AUTH', ...login)]),
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
