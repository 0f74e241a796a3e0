// Server reflection, asked as grpcurl asks it.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import type { ClientDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { expect, onTestFinished, test } from 'vitest';
import { LookupServiceService } from '../../proto/gen/stele/v1/lookup.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';

const protos = join(
  dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json')),
  'build/proto/grpc/reflection',
);

interface Answer {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
  readonly errorResponse?: { readonly errorCode: number; readonly errorMessage: string };
}

async function ask(version: string, requests: readonly object[]): Promise<Answer[]> {
  const server = new GrpcServer();
  server.addService(LookupServiceService, {});
  onTestFinished(() => server.close(0));
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  const name = `grpc.reflection.${version}.ServerReflection`;
  const loaded = loadSync(join(protos, version, 'reflection.proto'), { oneofs: true });
  const Client = makeGenericClientConstructor(loaded[name] as ServiceDefinition, name);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  const method = client['ServerReflectionInfo'] as () => ClientDuplexStream<object, Answer>;
  const call = method.call(client);
  for (const request of requests) call.write(request);
  call.end();
  return call.toArray() as Promise<Answer[]>;
}

test.each(['v1', 'v1alpha'])('%s lists the services, and describes one', async (version) => {
  const [listed, described, unknown] = await ask(version, [
    { listServices: '' },
    { fileContainingSymbol: 'stele.v1.LookupService' },
    { fileContainingSymbol: 'stele.v1.Nothing' },
  ]);
  const names = listed?.listServicesResponse?.service.map(({ name }) => name);
  expect(names?.sort()).toEqual(['grpc.health.v1.Health', 'stele.v1.LookupService']);
  const [file] = described?.fileDescriptorResponse?.fileDescriptorProto ?? [];
  expect(file?.toString('latin1')).toContain('LookupRequest');
  expect(unknown?.errorResponse).toMatchObject({ errorCode: 5 });
});

test('malformed requests end the call with an error, and the server continues', async () => {
  const server = new GrpcServer();
  onTestFinished(() => server.close(0));
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  const bytes = (value: Buffer): Buffer => value;
  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
  const codec = {
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
  const definition = { info: { path, requestStream: true, responseStream: true, ...codec } };
  const Client = makeGenericClientConstructor(definition, 'raw');
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  const info = client['info'] as () => ClientDuplexStream<Buffer, Buffer>;
  const wrong = info.call(client);
  wrong.write(Buffer.from([0x0a, 0xff]));
  await expect(wrong.toArray()).rejects.toMatchObject({ code: 3 });
  const right = info.call(client);
  // list_services: ""
  right.write(Buffer.from([0x3a, 0x00]));
  right.end();
  expect(Buffer.concat(await right.toArray()).toString('latin1')).toContain(
    'grpc.health.v1.Health',
  );
});
