// gRPC server reflection (v1 and v1alpha), used by tools such as grpcurl.
//
// Reading the descriptors takes a third of the CPU time of a datanode's start, and reflection is
// hardly ever used. So the methods are registered with messages as bytes, and @grpc/reflection is
// loaded at the first call.

import type { Server, ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import { existsSync, readFileSync } from 'node:fs';
import { SteleError } from '../base/errors.ts';
import { toGrpcError } from './grpc-errors.ts';

const METHOD = 'ServerReflectionInfo';
const HEALTH_SERVICE = 'grpc.health.v1.Health';
const SERVICES = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

type RawStream = ServerDuplexStream<Buffer, Buffer>;

/** The part of a call that a service of @grpc/reflection uses. */
interface MessageStream {
  on(event: 'data' | 'end', listener: (message: unknown) => void): void;
  write(message: unknown): void;
  end(): void;
}

interface Reflection {
  readonly definition: ServiceDefinition;
  readonly answer: (stream: MessageStream) => void;
}

const asTheyAre = (bytes: Buffer): Buffer => bytes;

/**
 * Adds both services to a server that does not listen yet. They describe `services` and health
 * checking.
 */
export function addReflection(server: Server, services: readonly string[]): void {
  let loaded: Promise<ReadonlyMap<string, Reflection>> | undefined;
  for (const service of SERVICES) {
    const path = `/${service}/${METHOD}`;
    const method = {
      path,
      requestStream: true,
      responseStream: true,
      requestDeserialize: asTheyAre,
      requestSerialize: asTheyAre,
      responseDeserialize: asTheyAre,
      responseSerialize: asTheyAre,
    };
    server.addService(
      { [METHOD]: method },
      {
        [METHOD]: (call: RawStream) => {
          loaded ??= loadReflection(services);
          loaded.then(
            (loadedServices) => answer(call, loadedServices.get(path)),
            (thrown: unknown) => call.emit('error', toGrpcError(thrown)),
          );
        },
      },
    );
  }
}

function answer(call: RawStream, reflection: Reflection | undefined): void {
  const method = reflection?.definition[METHOD];
  if (reflection === undefined || method === undefined) {
    call.end();
    return;
  }
  reflection.answer({
    on: (event, listener) => {
      if (event === 'end') call.on('end', listener);
      else
        call.on('data', (bytes: Buffer) =>
          decoded(call, method.requestDeserialize, bytes, listener),
        );
    },
    write: (message) => void call.write(method.responseSerialize(message)),
    end: () => call.end(),
  });
}

function decoded(
  call: RawStream,
  decode: (bytes: Buffer) => unknown,
  bytes: Buffer,
  listener: (message: unknown) => void,
): void {
  let request: unknown;
  try {
    request = decode(bytes);
  } catch (cause) {
    const error = new SteleError('INVALID_ARGUMENT', 'This is no reflection request.', { cause });
    call.emit('error', toGrpcError(error));
    return;
  }
  listener(request);
}

/** Handlers by method path. */
async function loadReflection(
  services: readonly string[],
): Promise<ReadonlyMap<string, Reflection>> {
  const [{ loadFileDescriptorSetFromBuffer, loadSync }, { ReflectionService }, health] =
    await Promise.all([
      import('@grpc/proto-loader'),
      import('@grpc/reflection'),
      import('grpc-health-check'),
    ]);
  const descriptors = {
    ...loadFileDescriptorSetFromBuffer(readFileSync(descriptorSetUrl())),
    ...loadSync(health.protoPath),
  };
  const found = new Map<string, Reflection>();
  const collector = {
    addService: (definition: ServiceDefinition, handlers: Record<string, unknown>): void => {
      const path = definition[METHOD]?.path ?? '';
      found.set(path, { definition, answer: handlers[METHOD] as Reflection['answer'] });
    },
  };
  const listed = [...services, HEALTH_SERVICE];
  new ReflectionService(descriptors, { services: listed }).addToServer(collector);
  return found;
}

/** The descriptors stay beside the sources; the compiler copies only what it compiles. */
function descriptorSetUrl(): URL {
  const besideSource = new URL('../proto/gen/stele.binpb', import.meta.url);
  if (existsSync(besideSource)) return besideSource;
  return new URL('../../proto/gen/stele.binpb', import.meta.url);
}
