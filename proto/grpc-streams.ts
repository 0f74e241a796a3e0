// Server-side streams as loops.

import type { Readable } from 'node:stream';

/**
 * The messages of a client's stream, one after the other; the sender is held back while the loop's
 * body works. A plain `for await` over a duplex call destroys it at the end, and with it the reply
 * that is still to be written; this one leaves the call open.
 */
export function messagesOf<Message>(call: Readable): AsyncIterable<Message> {
  return { [Symbol.asyncIterator]: () => call.iterator({ destroyOnReturn: false }) };
}
