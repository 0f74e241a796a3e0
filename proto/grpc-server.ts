// A gRPC server with Stele's options: bind with a sentence for a port in use, health, reflection,
// and a close that ends within a deadline.

import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { SteleError } from '../base/errors.ts';
import { SERVER_OPTIONS } from './grpc-channel.ts';
import { addReflection } from './grpc-reflection.ts';

export type ServiceHealth = 'SERVING' | 'NOT_SERVING';

export class GrpcServer {
  readonly server = new Server(SERVER_OPTIONS);
  readonly #health = new HealthImplementation({ liveness: 'SERVING', readiness: 'NOT_SERVING' });

  constructor() {
    this.#health.addToServer(this.server);
    addReflection(this.server);
  }

  /** What `grpc.health.v1.Health` says of the service `readiness`. */
  setReadiness(health: ServiceHealth): void {
    this.#health.setStatus('readiness', health);
  }

  /** Opens the port (0: a free one) and returns it. Throws PORT_IN_USE; `flag` goes into its sentence. */
  listen(host: string, port: number, flag: string): Promise<number> {
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      this.server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(bindError(error, address, flag));
      });
    });
  }

  /** Lets calls in flight end, at most `deadlineMs`, then cuts them. */
  async close(deadlineMs: number): Promise<void> {
    const timer = setTimeout(() => this.server.forceShutdown(), deadlineMs);
    await new Promise<void>((resolve) => {
      this.server.tryShutdown(() => resolve());
    });
    clearTimeout(timer);
  }
}

function bindError(cause: Error, address: string, flag: string): SteleError {
  if (!cause.message.includes('EADDRINUSE')) {
    return new SteleError('IO', `Cannot listen on ${address}: ${cause.message}.`, { cause });
  }
  return new SteleError(
    'PORT_IN_USE',
    `Something already listens on ${address}; stop it, or choose another port with ${flag} (0 picks a free one).`,
    { cause },
  );
}
