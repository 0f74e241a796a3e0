// Malformed or nonsensical HTTP: each input causes an error or a closed connection, and nothing
// else.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cutAt } from '../../resp/split.ts';
import type { TestCluster } from '../../support/process/cluster.ts';
import {
  converse,
  converseMany,
  expectUnharmed,
  startTarget,
} from '../../support/mutations/conversations.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { HttpMutator } from '../../support/mutations/mutated-http.ts';
import { postLookup } from '../../support/readers/sources.ts';

const SENT = SHORT ? 2000 : 200_000;
vi.setConfig({ testTimeout: SHORT ? 120_000 : 2_400_000 });
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startTarget();
});

afterAll(() => cluster?.close());

test.each(['master', 'node-0'])(`${SENT} wrong conversations leave %s as it was`, async (id) => {
  console.log(`  seed ${SEED}`);
  const { pid, http } = id === 'master' ? cluster.master : cluster.node(id);
  const mutator = new HttpMutator(SEED);
  const seen = new Map<string, number>();
  await expectUnharmed(pid, (share) =>
    converseMany(SENT * share, async () => {
      const bytes = mutator.conversation();
      const answer = await converse(http, cutAt(bytes, mutator.cuts(bytes.length + 1)));
      const status = statusOf(answer);
      seen.set(status, (seen.get(status) ?? 0) + 1);
      // A client must not be able to cause an internal error.
      if (status === '500' || status.startsWith('not HTTP')) {
        throw new Error(`${status} to ${JSON.stringify(bytes.toString('latin1').slice(0, 2000))}`);
      }
    }),
  );
  console.log(`  ${JSON.stringify(Object.fromEntries(seen))}`);
  for (const status of ['200', '400', '404']) expect(seen.get(status)).toBeGreaterThan(0);
  const { values } = await postLookup(cluster.url(''), 'default', ['key-1', 'none']);
  expect(values.map(String)).toEqual(['value-1', 'null']);
  expect((await fetch(`http://127.0.0.1:${http}/livez`)).status).toBe(200);
  expect(cluster.log(id)).not.toMatch(/"level":(50|60)/);
});

/** The status of the first answer; `closed` if there is none. */
function statusOf(answer: Buffer): string {
  const text = answer.toString('latin1', 0, 100);
  if (text === '') return 'closed';
  return /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? `not HTTP: ${JSON.stringify(text)}`;
}
