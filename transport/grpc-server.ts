// A gRPC server with Stele's options: bind with a sentence for a port in use, bounds (grpc-guard.ts), health,
// reflection, and a close that ends within a deadline.

import type { Http2Server } from 'node:http2';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { SteleError } from '../base/errors.ts';
import { CONNECTIONS_MAX_DEFAULT } from '../base/limits.ts';
import { SERVER_OPTIONS } from './grpc-channel.ts';
import { GrpcConnections, STALLED_MS_MAX, guarded } from './grpc-guard.ts';
import { addReflection } from './grpc-reflection.ts';

export type ServiceHealth = 'SERVING' | 'NOT_SERVING';

/** Whom grpc.health.v1 says to be ready beside the services: the server as a whole, under either name. */
const WHOLE = ['', 'readiness'];
const SWEEP_MS = 2000;

export class GrpcServer {
  readonly #connections: GrpcConnections;
  readonly #server: Server;
  readonly #connectionsMax: number;
  readonly #sweepMs: number;
  readonly #services: string[] = [];
  readonly #health = new HealthImplementation({ liveness: 'SERVING' });
  #readiness: ServiceHealth = 'NOT_SERVING';
  #sweeper: NodeJS.Timeout | undefined;

  /**
   * Connections above `connectionsMax` are closed as they come, and those whose client takes nothing of its
   * answers for `stalledMsMax`.
   */
  constructor(connectionsMax = CONNECTIONS_MAX_DEFAULT, stalledMsMax = STALLED_MS_MAX) {
    this.#connectionsMax = connectionsMax;
    this.#sweepMs = Math.min(SWEEP_MS, stalledMsMax / 4);
    this.#connections = new GrpcConnections(stalledMsMax);
    this.#server = new Server({
      ...SERVER_OPTIONS,
      interceptors: [this.#connections.interceptor],
    });
    this.#health.addToServer(this.#server);
    addReflection(this.#server, this.#services);
    this.setReadiness('NOT_SERVING');
  }

  /** Adds a service; before `listen`. */
  addService<Implementation extends UntypedServiceImplementation>(
    definition: ServiceDefinition<Implementation>,
    implementation: Implementation,
  ): void {
    this.#server.addService(guarded(definition), implementation);
    const [method] = Object.values(definition);
    this.#services.push(method?.path.split('/')[1] ?? '');
    this.setReadiness(this.#readiness);
  }

  /** What `grpc.health.v1.Health` says of the server (`` and `readiness`) and of each of its services. */
  setReadiness(health: ServiceHealth): void {
    this.#readiness = health;
    for (const name of [...WHOLE, ...this.#services]) this.#health.setStatus(name, health);
  }

  /** Opens the port (0: a free one) and returns it. Throws PORT_IN_USE; `flag` goes into its sentence. */
  listen(host: string, port: number, flag: string): Promise<number> {
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
        if (error !== null) return reject(bindError(error, address, flag));
        this.#bound();
        resolve(bound);
      });
    });
  }

  /** grpc-js gives no access to what listens, so this looks at what it keeps; without it there are no bounds. */
  #bound(): void {
    const { http2Servers } = this.#server as unknown as {
      http2Servers?: ReadonlyMap<Http2Server, unknown>;
    };
    for (const listening of http2Servers?.keys() ?? []) {
      listening.maxConnections = this.#connectionsMax;
      this.#connections.watch(listening);
    }
    this.#sweeper ??= setInterval(() => this.#connections.sweep(), this.#sweepMs).unref();
  }

  /** Lets calls in flight end, at most `deadlineMs`, then cuts them. */
  async close(deadlineMs: number): Promise<void> {
    clearInterval(this.#sweeper);
    const timer = setTimeout(() => this.#server.forceShutdown(), deadlineMs);
    await new Promise<void>((resolve) => {
      this.#server.tryShutdown(() => resolve());
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
