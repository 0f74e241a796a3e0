// Bytes that are not the Redis protocol: each input causes an error or a closed connection, and
// nothing else.

import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ProtocolError } from '../../../resp/wire/protocol-error.ts';
import { CommandDecoder } from '../../../resp/wire/decoder.ts';
import { cutAt, decodeReplies, words } from '../../resp/split.ts';
import type { TestCluster } from '../../support/process/cluster.ts';
import {
  converse,
  converseMany,
  expectUnharmed,
  startTarget,
} from '../../support/mutations/conversations.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { RespMutator } from '../../support/mutations/mutated-resp.ts';

const DECODED = SHORT ? 50_000 : 1_000_000;
const SENT = SHORT ? 2000 : 200_000;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTarget();
});

afterAll(() => cluster?.close());

/** The result of decoding `chunks`: the words of each command, and the final protocol error. */
function decode(chunks: readonly Buffer[]): string {
  const decoder = new CommandDecoder();
  const seen: string[] = [];
  try {
    for (const chunk of chunks) {
      decoder.push(chunk);
      while (decoder.next()) seen.push(words(decoder).join('\u0001'));
      expect(decoder.heldBytes).toBeLessThan(64 * 1024);
    }
  } catch (thrown) {
    if (!(thrown instanceof ProtocolError)) throw thrown;
    seen.push(`error: ${thrown.message}`);
  }
  return seen.join('\u0002');
}

test(`${DECODED} conversations with something wrong are read the same way however they are cut`, () => {
  console.log(`  seed ${SEED}`);
  const mutator = new RespMutator(SEED);
  let refused = 0;
  for (let number = 0; number < DECODED; number++) {
    const bytes = mutator.conversation();
    const whole = decode([Buffer.from(bytes)]);
    if (whole.includes('error: ')) refused++;
    if (whole !== decode(cutAt(bytes, mutator.cuts(bytes.length + 1)))) {
      throw new Error(
        `conversation ${number} of seed ${SEED}: ${JSON.stringify(bytes.toString('latin1'))}`,
      );
    }
  }
  expect(refused).toBeGreaterThan(DECODED / 10);
  expect(refused).toBeLessThan(DECODED);
});

test.each(['master', 'node-0'])(`${SENT} of them leave %s as it was`, async (id) => {
  const { pid, resp } = id === 'master' ? cluster.master : cluster.node(id);
  const mutator = new RespMutator(SEED + 1);
  await expectUnharmed(pid, (share) =>
    converseMany(SENT * share, async () => {
      const bytes = mutator.conversation();
      const answer = await converse(resp, cutAt(bytes, mutator.cuts(bytes.length + 1)));
      // Whatever was asked, the replies follow the protocol.
      decodeReplies([answer]);
    }),
  );
  const client = connect({ port: resp, host: '127.0.0.1' });
  client.end('GET key-1\r\nDBSIZE\r\n');
  const answers = (await client.toArray()).join('');
  expect(answers).toBe('$7\r\nvalue-1\r\n:2\r\n');
  expect(cluster.log(id)).not.toMatch(/"level":(50|60)/);
});
