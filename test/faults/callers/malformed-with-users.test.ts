// Malformed input on every door of a cluster with --auth on, by strangers and by a user who may
// read one of two keyspaces: no crash, and not one value, key or change that this user has no right
// to.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { basicAuthorization } from '../../../access/basic.ts';
import { LookupRequest } from '../../../proto/gen/stele/v1/lookup.ts';
import { cutAt, multibulk } from '../../resp/split.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import {
  CLOSED_VALUE,
  OPEN_VALUE,
  READER,
  READER_PASSWORD,
  SecuredCluster,
} from '../../support/faults/secured-cluster.ts';
import { converse, converseMany, expectUnharmed } from '../../support/mutations/conversations.ts';
import { GrpcMutator } from '../../support/mutations/mutated-grpc.ts';
import { HttpMutator } from '../../support/mutations/mutated-http.ts';
import { RespMutator } from '../../support/mutations/mutated-resp.ts';
import { RawCalls } from '../../support/mutations/raw-calls.ts';
import { wireMethods } from '../../support/mutations/wire-messages.ts';

/** For each of six doors; a million in all. */
const INPUTS = SHORT ? 1000 : 170_000;
const END_AFTER_MS = 50;
const NAMES = ['closed', 'open', 'default', 'node-0', 'admin', READER, 'key-1', ''];
vi.setConfig({ testTimeout: SHORT ? 120_000 : 3_600_000 });
/** Titles of processes, and their places in the table of results. */
const PROCESSES = ['master', 'datanode node-0'] as const;
const AUTHORIZATION = basicAuthorization({ user: READER, password: READER_PASSWORD });
let cluster: SecuredCluster;
let keyspacesBefore = '';

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  cluster = await SecuredCluster.start('plain');
  keyspacesBefore = await cluster.command('keyspaces');
}, 120_000);

afterAll(() => cluster?.close(), 60_000);

/** By whom an input comes: one in four without a login, the others as the user. */
const isStranger = (mutator: { chance(of: number): boolean }): boolean => mutator.chance(4);

/** Counts what was seen in answers, and throws for what must not be in any. */
class Answers {
  values = 0;
  refusals = 0;

  add(answer: Buffer, isByStranger: boolean, input: () => string): void {
    const text = answer.toString('latin1');
    const isBypass = text.includes(CLOSED_VALUE) || (isByStranger && text.includes(OPEN_VALUE));
    if (isBypass) throw new Error(`${JSON.stringify(text.slice(0, 500))} to ${input()}`);
    if (text.includes(OPEN_VALUE)) this.values++;
    if (/NOAUTH|NOPERM|UNAUTHENTICATED|PERMISSION_DENIED| 40[13] |There is no keyspace/.test(text))
      this.refusals++;
  }
}

async function expectUnchanged({ refusals, values }: Answers, hasValues = true): Promise<void> {
  console.log(`  ${values} answers with a value, ${refusals} refused`);
  expect(refusals).toBeGreaterThan(INPUTS / 50);
  expect(values > 0).toBe(hasValues);
  expect(await cluster.command('keyspaces')).toBe(keyspacesBefore);
  expect(await cluster.command('user', 'list')).toMatch(/^admin .*\n[^]*^reader /m);
  expect(cluster.log).not.toMatch(/"level":(?:50|60)/);
}

test.each(PROCESSES)(`${INPUTS} conversations in the Redis protocol with %s`, async (title) => {
  const { pid, resp } = cluster.at(title);
  const mutator = new RespMutator(SEED);
  const answers = new Answers();
  const logins = ['open', 'closed', ''].map((keyspace) => {
    const user = keyspace === '' ? READER : `${READER}@${keyspace}`;
    return multibulk('AUTH', user, READER_PASSWORD);
  });
  await expectUnharmed(pid, (share) =>
    converseMany(INPUTS * share, async () => {
      const stranger = isStranger(mutator);
      const wrong = mutator.conversation();
      const right = multibulk('GET', 'key-1');
      const whole = stranger ? [right, wrong] : [mutator.pick(logins), right, wrong];
      const bytes = Buffer.concat(whole);
      const answer = await converse(resp, cutAt(bytes, mutator.cuts(bytes.length + 1)));
      answers.add(answer, stranger, () => JSON.stringify(bytes.toString('latin1')));
    }),
  );
  await expectUnchanged(answers);
});

test.each([
  ['master', ['open', 'closed'].map((keyspace) => `/v1/keyspaces/${keyspace}/keys/key-1`)],
  ['datanode node-0', ['/metrics', '/v1/audit', '/readyz?verbose']],
] as const)(`${INPUTS} conversations in HTTP with %s`, async (title, paths) => {
  const { http, pid } = cluster.at(title);
  const mutator = new HttpMutator(SEED + 1);
  const answers = new Answers();
  await expectUnharmed(pid, (share) =>
    converseMany(INPUTS * share, async () => {
      const stranger = isStranger(mutator);
      const host = `Host: localhost\r\n${stranger ? '' : `Authorization: ${AUTHORIZATION}\r\n`}`;
      const right = `GET ${mutator.pick(paths)} HTTP/1.1\r\n${host}\r\n`;
      const wrong = mutator
        .conversation()
        .toString('latin1')
        .replaceAll('/default/', `/${mutator.pick(['open', 'closed'])}/`)
        .replaceAll('Host: localhost\r\n', host);
      const bytes = Buffer.from(mutator.chance(2) ? right + wrong : wrong, 'latin1');
      const pieces = cutAt(bytes, mutator.cuts(bytes.length + 1));
      const answer = await converse(http, pieces, { endAfterMs: END_AFTER_MS });
      answers.add(answer, stranger, () => JSON.stringify(bytes.toString('latin1').slice(0, 2000)));
    }),
  );
  await expectUnchanged(answers, title === 'master');
});

/** A lookup that the user may make, as it is sent. */
function rightLookup(): Buffer {
  const request = { keyspace: 'open', keys: [Buffer.from('key-1')], version: 0 };
  const message = LookupRequest.encode(request).finish();
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

test.each([
  ['master', ['ClusterService', 'LoadService', 'AccessService', 'LookupService']],
  ['datanode node-0', ['DatanodeService', 'LookupService']],
] as const)(`${INPUTS} calls in gRPC to %s`, async (title, services) => {
  const { grpc, pid } = cluster.at(title);
  const mutator = new GrpcMutator(SEED + 2);
  const answers = new Answers();
  const methods = services.flatMap(wireMethods);
  const right = {
    headers: { ':path': '/stele.v1.LookupService/Lookup', 'content-type': 'application/grpc' },
    body: rightLookup(),
  };
  await expectUnharmed(pid, async (share) => {
    const calls = new RawCalls(grpc);
    await converseMany(INPUTS * share, async () => {
      const stranger = isStranger(mutator);
      const call = mutator.chance(10) ? right : mutator.call(methods, NAMES);
      const headers = stranger ? call.headers : { ...call.headers, authorization: AUTHORIZATION };
      const { grpcStatus, received, steleCode = '' } = await calls.call({ ...call, headers });
      const input = (): string => `${JSON.stringify(headers)} ${call.body.toString('hex')}`;
      if (stranger && grpcStatus === '0') throw new Error(`an answer to ${input()}`);
      answers.add(Buffer.concat([received, Buffer.from(steleCode)]), stranger, input);
    });
    calls.close();
  });
  await expectUnchanged(answers);
});
