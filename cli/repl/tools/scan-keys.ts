// All keys of a keyspace, by SCAN.

import { setTimeout as sleep } from 'node:timers/promises';
import { SteleError } from '../../../base/errors.ts';
import type { Reply } from '../../../client/resp-client.ts';
import { errorOfReply, itemsOf } from '../reply-texts.ts';

/** The pause of `-i` comes after so many calls, as in redis-cli. */
const CALLS_PER_PAUSE = 100;

/** Which keys are wanted, and how they are asked for. */
export interface KeyScan {
  /** A glob pattern; undefined: all keys. */
  readonly pattern?: string | undefined;
  /** How many keys a call looks at. */
  readonly count: number;
  /** Pause after every hundred calls. */
  readonly intervalMs: number;
}

/**
 * What answers commands: a session, or a connection. Undefined: it has no answer (CLIENT REPLY).
 */
export interface Asked {
  execute(args: readonly string[]): Promise<Reply | undefined>;
}

/**
 * The keys in batches, in no order. Throws SteleError; CONFLICT with the server's words if it
 * refuses to continue, as it does when the version that is being scanned has been dropped; IO if it
 * is no Redis.
 */
export async function* scanKeys(asked: Asked, scan: KeyScan): AsyncGenerator<Buffer[]> {
  const match = scan.pattern === undefined ? [] : ['MATCH', scan.pattern];
  let cursor = '0';
  let calls = 0;
  do {
    const reply = await asked.execute(['SCAN', cursor, ...match, 'COUNT', String(scan.count)]);
    if (reply?.type === 'error') throw errorOfReply('SCAN', reply.text);
    const [next, keys] = itemsOf(reply);
    if (next?.type !== 'bulk' || keys?.type !== 'array') {
      throw new SteleError('IO', 'The answer to SCAN is not one; is this a Redis?');
    }
    cursor = next.bytes.toString();
    const batch = keys.items.flatMap((key) => (key.type === 'bulk' ? [key.bytes] : []));
    if (batch.length > 0) yield batch;
    if (++calls % CALLS_PER_PAUSE === 0 && scan.intervalMs > 0) await sleep(scan.intervalMs);
  } while (cursor !== '0');
}
