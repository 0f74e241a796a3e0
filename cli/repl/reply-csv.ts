// Replies as redis-cli --csv prints them: one line a reply, strings quoted with the escapes of
// redis-cli.
//
//   "a","b"     an array          12     an integer
//   NULL        nil               ERROR,"ERR ..."

import type { Reply } from '../../client/resp-client.ts';
import { quote } from './format-reply.ts';

/** A reply on one line, without a newline. Nested arrays are flattened, as in redis-cli. */
export function csvLine(reply: Reply): string {
  switch (reply.type) {
    case 'simple':
      return quote(Buffer.from(reply.text));
    case 'error':
      return `ERROR,${quote(Buffer.from(reply.text))}`;
    case 'bulk':
    case 'verbatim':
      return quote(reply.bytes);
    case 'nil':
      return 'NULL';
    case 'boolean':
      return reply.value ? 'true' : 'false';
    case 'integer':
    case 'double':
    case 'bigNumber':
      return String(reply.value);
    case 'array':
    case 'set':
    case 'push':
      return reply.items.map(csvLine).join(',');
    case 'map':
      return reply.entries.map((entry) => entry.map(csvLine).join(',')).join(',');
  }
}
