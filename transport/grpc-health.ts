// gRPC health checking (grpc.health.v1.Health), used by load balancers and Kubernetes.
//
// Reading its descriptors takes an eighth of the CPU time of a process start. So the methods are
// registered with messages as bytes, and grpc-health-check is loaded at the first call.

import type {
  MethodDefinition,
  sendUnaryData,
  Server,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
} from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import { toGrpcError } from './grpc-errors.ts';

export type ServiceHealth = 'SERVING' | 'NOT_SERVING';

const SERVICE = 'grpc.health.v1.Health';
const UNARY = ['Check', 'List'];
const STREAMING = 'Watch';

/** The part of a call that a handler of grpc-health-check uses. */
interface MessageCall {
  readonly request: unknown;
  on(event: 'cancelled', listener: () => void): void;
  write(message: unknown): void;
}

type Handler = (
  call: MessageCall,
  callback: (error: Parameters<sendUnaryData<Buffer>>[0], message?: unknown) => void,
) => void;

interface Loaded {
  readonly implementation: HealthImplementation;
  /** By method name. */
  readonly methods: ReadonlyMap<string, MethodDefinition<unknown, unknown>>;
  readonly handlers: ReadonlyMap<string, Handler>;
}

type RawCall = ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>;

const asTheyAre = (bytes: Buffer): Buffer => bytes;

export class GrpcHealth {
  readonly #statuses = new Map<string, ServiceHealth>([['liveness', 'SERVING']]);
  #loading: Promise<Loaded> | undefined;

  /** Adds the service to a server that does not listen yet. */
  addTo(server: Server): void {
    const definition = Object.fromEntries(
      [...UNARY, STREAMING].map((name) => [name, rawMethod(name, name === STREAMING)]),
    );
    server.addService(definition, {
      ...Object.fromEntries(
        UNARY.map((name) => [
          name,
          (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) =>
            this.#serve(name, call, callback),
        ]),
      ),
      [STREAMING]: (call: ServerWritableStream<Buffer, Buffer>) =>
        this.#serve(STREAMING, call, (error) => call.emit('error', error)),
    });
  }

  setStatus(service: string, health: ServiceHealth): void {
    this.#statuses.set(service, health);
    void this.#loading?.then(({ implementation }) => implementation.setStatus(service, health));
  }

  #serve(name: string, call: RawCall, callback: sendUnaryData<Buffer>): void {
    this.#loading ??= this.#load();
    this.#loading
      .then(({ handlers, methods }) => {
        const method = methods.get(name);
        if (method === undefined) throw new Error(`${SERVICE} has no method ${name}`);
        handlers.get(name)?.(
          {
            request: method.requestDeserialize(call.request),
            on: (event, listener) => void call.on(event, listener),
            write: (message) => {
              if ('write' in call) call.write(method.responseSerialize(message));
            },
          },
          (error, message) =>
            callback(error, message === undefined ? null : method.responseSerialize(message)),
        );
      })
      .catch((thrown: unknown) => callback(toGrpcError(thrown)));
  }

  async #load(): Promise<Loaded> {
    const { HealthImplementation } = await import('grpc-health-check');
    const implementation = new HealthImplementation(Object.fromEntries(this.#statuses));
    const methods = new Map<string, MethodDefinition<unknown, unknown>>();
    const handlers = new Map<string, Handler>();
    implementation.addToServer({
      addService: (definition: ServiceDefinition, implemented: Record<string, unknown>) => {
        for (const [name, method] of Object.entries(definition)) {
          methods.set(name, method);
          handlers.set(name, implemented[method.originalName ?? name] as Handler);
        }
      },
    });
    return { implementation, methods, handlers };
  }
}

function rawMethod(name: string, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${SERVICE}/${name}`,
    requestStream: false,
    responseStream,
    requestDeserialize: asTheyAre,
    requestSerialize: asTheyAre,
    responseDeserialize: asTheyAre,
    responseSerialize: asTheyAre,
  };
}
