// Health checking, asked as load balancers and Kubernetes ask it.

import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import type { Client, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';
import { expect, onTestFinished, test } from 'vitest';
import { LookupServiceService } from '../../proto/gen/stele/v1/lookup.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';

const NAME = 'grpc.health.v1.Health';
const HealthClient = makeGenericClientConstructor(service, NAME);

async function serve(): Promise<{ server: GrpcServer; client: Client }> {
  const server = new GrpcServer();
  server.addService(LookupServiceService, {});
  onTestFinished(() => server.close(0));
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  const client = new HealthClient(`127.0.0.1:${port}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  return { server, client };
}

/** The answer, or the code of the error. */
function ask(client: Client, method: 'check' | 'list', request: object): Promise<unknown> {
  return new Promise((resolve) => {
    const call = (client as unknown as Record<typeof method, Function>)[method];
    call.call(client, request, (error: ServiceError | null, answer: unknown) =>
      resolve(error?.code ?? answer),
    );
  });
}

test('of the server as a whole, and of its services, is readiness', async () => {
  const { client, server } = await serve();
  const all = ['', 'readiness', 'stele.v1.LookupService'];
  const checkAll = (): Promise<unknown[]> =>
    Promise.all(all.map((name) => ask(client, 'check', { service: name })));
  expect(await checkAll()).toEqual(all.map(() => ({ status: 'NOT_SERVING' })));
  server.setReadiness('SERVING');
  expect(await checkAll()).toEqual(all.map(() => ({ status: 'SERVING' })));
  expect(await ask(client, 'check', { service: 'liveness' })).toEqual({ status: 'SERVING' });
  expect(await ask(client, 'check', { service: 'nothing' })).toBe(5);
});

test('reports what was set before the first call, and each change to a watch', async () => {
  const { client, server } = await serve();
  server.setReadiness('SERVING');
  const watcher = client as unknown as {
    watch(request: object): ClientReadableStream<{ status: string }>;
  };
  const call = watcher.watch({ service: 'readiness' });
  call.on('error', () => undefined);
  const statuses: string[] = [];
  call.on('data', ({ status }: { status: string }) => statuses.push(status));
  await expect.poll(() => statuses).toEqual(['SERVING']);
  server.setReadiness('NOT_SERVING');
  await expect.poll(() => statuses).toEqual(['SERVING', 'NOT_SERVING']);
  call.cancel();
  const { statuses: listed } = (await ask(client, 'list', {})) as { statuses: object };
  expect(Object.keys(listed).sort()).toEqual([
    ...['', 'liveness', 'readiness', 'stele.v1.LookupService'],
  ]);
});

test('malformed requests end the call with an error, and the server continues', async () => {
  const { client } = await serve();
  const bytes = (value: Buffer): Buffer => value;
  const wrong = new Promise((resolve) => {
    client.makeUnaryRequest(`/${NAME}/Check`, bytes, bytes, Buffer.from([0x0a, 0xff]), (error) =>
      resolve(error?.code),
    );
  });
  expect(await wrong).toBe(13);
  expect(await ask(client, 'check', { service: 'liveness' })).toEqual({ status: 'SERVING' });
});
