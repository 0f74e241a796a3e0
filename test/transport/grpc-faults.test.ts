import { ChannelCredentials } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { LookupServiceClient, LookupServiceService } from '../../proto/gen/stele/v1/lookup.ts';
import { unaryHandler } from '../../transport/grpc-errors.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';
import { keepingLogger } from '../support/log-lines.ts';

/** The error of a call whose handler throws `thrown`, and what was logged. */
async function callThatThrows(thrown: Error) {
  const { lines, log } = keepingLogger();
  const door = { access: undefined, log, keyspaceOf: () => '' };
  const server = new GrpcServer(undefined, undefined, door);
  server.addService(LookupServiceService, { lookup: unaryHandler(() => Promise.reject(thrown)) });
  onTestFinished(() => server.close(0));
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  const client = new LookupServiceClient(`127.0.0.1:${port}`, ChannelCredentials.createInsecure());
  onTestFinished(() => client.close());
  const request = { keyspace: 'k', version: 0, keys: [Buffer.from('a')] };
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.lookup(request, (failure) => resolve(failure));
  });
  return { error, lines };
}

test('a call that fails by a defect is logged with its stack, and with the id that the caller gets', async () => {
  const { error, lines } = await callThatThrows(new TypeError('x is not a function'));
  expect(error?.metadata.get('stele-code')).toEqual(['INTERNAL']);
  expect(lines).toHaveLength(1);
  const [line] = lines;
  expect(line).toMatchObject({
    level: 50,
    path: '/stele.v1.LookupService/Lookup',
    peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    tookMs: expect.any(Number),
    msg: 'request failed',
  });
  expect(error?.metadata.get('stele-request-id')).toEqual([line?.['requestId']]);
  expect(JSON.stringify(line?.['err'])).toMatch(
    /TypeError: x is not a function.*grpc-faults\.test/s,
  );
});

test('what a caller did wrong is no line of the log', async () => {
  const { error, lines } = await callThatThrows(new SteleError('KEYSPACE_NOT_FOUND', 'No.'));
  expect(error?.details).toBe('No.');
  expect(error?.metadata.get('stele-request-id')).toEqual([]);
  expect(lines).toEqual([]);
});
