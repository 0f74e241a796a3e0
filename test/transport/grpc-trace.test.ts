import { expect, it, onTestFinished } from 'vitest';
import { beginSpan } from '../../base/process/tracing.ts';
import { SteleError } from '../../base/errors.ts';
import { LookupServiceClient, LookupServiceService } from '../../proto/gen/stele/v1/lookup.ts';
import type { LookupRequest, LookupResponse } from '../../proto/gen/stele/v1/lookup.ts';
import {
  DatanodeServiceClient,
  DatanodeServiceService,
} from '../../proto/gen/stele/v1/datanode.ts';
import type { DatanodeServiceServer } from '../../proto/gen/stele/v1/datanode.ts';
import { callUnary, openClient } from '../../transport/grpc-channel.ts';
import { unaryHandler } from '../../transport/grpc-errors.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';
import { accessOfRoles, authorizationOf } from '../access/roles.ts';
import { SPAN_ID, SAMPLED, UNSAMPLED, paths, traced } from '../support/spans.ts';

const READ = 'stele.v1.LookupService/Lookup';
const ORDER = 'stele.v1.DatanodeService/Restart';

/**
 * A server whose Lookup gives an order to its Restart, and asks what is asked every second, and the
 * port.
 */
async function serve(): Promise<number> {
  const server = new GrpcServer();
  server.addService(DatanodeServiceService, {
    restart: unaryHandler(async () => ({})),
    countReads: unaryHandler(async () => ({ counters: undefined })),
  } as unknown as DatanodeServiceServer);
  server.addService(LookupServiceService, {
    lookup: unaryHandler<LookupRequest, LookupResponse>(async ({ keyspace }) => {
      if (keyspace === 'bad') throw new SteleError('INTERNAL', 'broken');
      if (keyspace === 'none') throw new SteleError('KEYSPACE_NOT_FOUND', 'none');
      await new Promise((resolve) => setImmediate(resolve));
      await datanode(port, 'restart');
      await datanode(port, 'countReads');
      return { version: 1, results: [] };
    }),
  });
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  onTestFinished(() => server.close(0));
  return port;
}

async function datanode(port: number, method: 'restart' | 'countReads'): Promise<void> {
  const client = openClient(DatanodeServiceClient, `127.0.0.1:${port}`);
  onTestFinished(() => client.close());
  const options = { deadlineMs: 10_000 };
  const request = { header: undefined };
  if (method === 'restart') {
    await callUnary(client.restart.bind(client), request, 'a datanode', options);
  } else await callUnary(client.countReads.bind(client), request, 'a datanode', options);
}

async function lookup(port: number, keyspace = 'default'): Promise<unknown> {
  const client = openClient(LookupServiceClient, `127.0.0.1:${port}`);
  onTestFinished(() => client.close());
  const request = { keyspace, keys: [], version: 0 };
  return callUnary(client.lookup.bind(client), request, 'a master', { deadlineMs: 10_000 }).catch(
    (thrown: unknown) => thrown,
  );
}

const within = (value: string, work: () => Promise<unknown>): Promise<unknown> => {
  const span = beginSpan('caller', { parent: () => value });
  return Promise.resolve(span?.run(work)).finally(() => span?.end());
};

it('has no spans, and sends no context, without an SDK', async () => {
  expect(await lookup(await serve())).toMatchObject({ version: 1 });
});

it('is a tree from the caller to the last server, without heartbeats', async () => {
  const spans = await traced();
  const port = await serve();
  await within(SAMPLED, () => lookup(port));
  const caller = `(${SPAN_ID}) > caller`;
  expect(paths(spans())).toEqual([
    `${caller} > ${READ} > ${READ} > ${ORDER} > ${ORDER}`,
    `${caller} > ${READ} > ${READ} > ${ORDER}`,
    `${caller} > ${READ} > ${READ}`,
    `${caller} > ${READ}`,
    caller,
  ]);
  const [last] = spans();
  expect(last?.attributes).toMatchObject({
    'rpc.system': 'grpc',
    'rpc.service': 'stele.v1.DatanodeService',
    'rpc.method': 'Restart',
    'rpc.grpc.status_code': 0,
  });
  expect(spans()[1]?.attributes).toMatchObject({
    'server.address': '127.0.0.1',
    'server.port': port,
  });
  // SERVER, CLIENT, INTERNAL.
  expect(spans().map(({ kind }) => kind)).toEqual([1, 2, 1, 2, 0]);
});

it('begins a trace with a read, and with no other call', async () => {
  const spans = await traced();
  const port = await serve();
  await datanode(port, 'restart');
  expect(spans()).toEqual([]);
  await lookup(port);
  expect(paths(spans())).toEqual([`${READ} > ${ORDER} > ${ORDER}`, `${READ} > ${ORDER}`, READ]);
});

it('records nothing of a caller that records nothing', async () => {
  const spans = await traced();
  const port = await serve();
  await within(UNSAMPLED, () => lookup(port));
  expect(spans()).toEqual([]);
});

it('marks faults of the server, and no answers', async () => {
  const spans = await traced();
  const port = await serve();
  for (const keyspace of ['bad', 'none']) await within(SAMPLED, () => lookup(port, keyspace));
  expect(spans().map(({ kind, status }) => `${kind} ${status.code}`)).toEqual([
    '1 2',
    '2 2',
    '0 0',
    '1 0',
    '2 2',
    '0 0',
  ]);
});

it('runs the handler in the span with --auth on, too', async () => {
  const spans = await traced();
  const access = await accessOfRoles();
  const door = { access, keyspaceOf: () => 'geo' };
  const server = new GrpcServer(undefined, undefined, door);
  server.addService(LookupServiceService, {
    lookup: unaryHandler<LookupRequest, LookupResponse>(async () => {
      beginSpan('inner')?.end();
      return { version: 1, results: [] };
    }),
  });
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  onTestFinished(() => server.close(0));
  const authorization = (): string => authorizationOf('geo') ?? '';
  const client = openClient(LookupServiceClient, `127.0.0.1:${port}`, { authorization });
  onTestFinished(() => client.close());
  const request = { keyspace: 'geo', keys: [], version: 0 };
  await callUnary(client.lookup.bind(client), request, 'a master', { deadlineMs: 10_000 });
  expect(paths(spans())).toEqual([`${READ} > inner`, READ]);
});
