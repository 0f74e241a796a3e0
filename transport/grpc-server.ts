// A gRPC server with Stele's options: a clear error for a port in use, limits (grpc-guard.ts),
// health, reflection, and a close with a deadline.

import type { Http2Server } from 'node:http2';
import type { Server as TlsServer } from 'node:tls';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { hostAndPort } from '../base/address.ts';
import { toSteleError } from '../base/errors.ts';
import { CONNECTIONS_MAX_DEFAULT } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { isTracing } from '../base/process/tracing.ts';
import { accessInterceptor, requireListed } from './grpc-access.ts';
import type { GrpcDoor } from './grpc-access.ts';
import { auditInterceptor } from './grpc-audit.ts';
import { SERVER_OPTIONS } from './grpc-channel.ts';
import { GrpcConnections, STALLED_MS_MAX, guarded } from './grpc-guard.ts';
import { withFaultLog } from './grpc-faults.ts';
import { GrpcHealth } from './grpc-health.ts';
import type { ServiceHealth } from './grpc-health.ts';
import { addReflection } from './grpc-reflection.ts';
import { serverTrace } from './grpc-trace.ts';
import { checkPortFree } from './listen.ts';
import { secureServer, tlsServerOptions } from './tls/tls-server.ts';
import type { TlsIdentity } from './tls/tls-identity.ts';

/** Service names that stand for the server as a whole in grpc.health.v1. */
const WHOLE = ['', 'readiness'];
const SWEEP_MS = 2000;

export class GrpcServer {
  readonly #connections: GrpcConnections;
  readonly #server: Server;
  readonly #connectionsMax: number;
  readonly #sweepMs: number;
  readonly #services: string[] = [];
  readonly #log: Logger | undefined;
  readonly #health = new GrpcHealth();
  #readiness: ServiceHealth = 'NOT_SERVING';
  #sweeper: NodeJS.Timeout | undefined;

  /**
   * Closes connections above `connectionsMax` on arrival, and those whose client reads none of its
   * responses for `stalledMsMax`. With the `access` of a `door`, callers have to say who they are.
   */
  constructor(
    connectionsMax = CONNECTIONS_MAX_DEFAULT,
    stalledMsMax = STALLED_MS_MAX,
    door?: GrpcDoor,
  ) {
    this.#connectionsMax = connectionsMax;
    this.#sweepMs = Math.min(SWEEP_MS, stalledMsMax / 4);
    this.#connections = new GrpcConnections(stalledMsMax);
    const { access, audit, log } = door ?? {};
    this.#log = log;
    this.#server = new Server({
      ...SERVER_OPTIONS,
      interceptors: [
        ...(isTracing() ? [serverTrace] : []),
        this.#connections.interceptor,
        ...(audit === undefined ? [] : [auditInterceptor(audit, access !== undefined)]),
        ...(door === undefined || access === undefined ? [] : [accessInterceptor(access, door)]),
      ],
    });
    this.#health.addTo(this.#server);
    addReflection(this.#server, this.#services);
    this.setReadiness('NOT_SERVING');
  }

  /** Adds a service. Must be called before `listen`. */
  addService<Implementation extends UntypedServiceImplementation>(
    definition: ServiceDefinition<Implementation>,
    implementation: Implementation,
  ): void {
    requireListed(Object.values(definition).map(({ path }) => path));
    const service =
      this.#log === undefined
        ? implementation
        : withFaultLog(definition, implementation, this.#log);
    this.#server.addService(guarded(definition), service);
    const [method] = Object.values(definition);
    this.#services.push(method?.path.split('/')[1] ?? '');
    this.setReadiness(this.#readiness);
  }

  /**
   * Sets the status in `grpc.health.v1.Health` of the server (`` and `readiness`) and of each
   * service.
   */
  setReadiness(health: ServiceHealth): void {
    this.#readiness = health;
    for (const name of [...WHOLE, ...this.#services]) this.#health.setStatus(name, health);
  }

  /**
   * Opens the port (0: any free one) and returns it. With `tls` it is a port of TLS alone. Throws
   * PORT_IN_USE, whose message names `flag`.
   */
  async listen(host: string, port: number, flag: string, tls?: TlsIdentity): Promise<number> {
    try {
      const bound = await this.#bind(hostAndPort(host, port), tls);
      this.#watch(tls);
      return bound;
    } catch (thrown) {
      // grpc-js does not expose the system's error code, so a second attempt shows whether the port
      // is in use.
      await checkPortFree({ host, port, flag });
      throw toSteleError(thrown, 'IO');
    }
  }

  #bind(address: string, tls: TlsIdentity | undefined): Promise<number> {
    const credentials =
      tls === undefined ? ServerCredentials.createInsecure() : new IdentityCredentials(tls);
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
  }

  /**
   * Finds the HTTP/2 server in grpc-js's private fields, as it has no accessor. Without it there
   * are no limits.
   */
  #watch(tls: TlsIdentity | undefined): void {
    const { http2Servers } = this.#server as unknown as {
      http2Servers?: ReadonlyMap<Http2Server, unknown>;
    };
    for (const listening of http2Servers?.keys() ?? []) {
      listening.maxConnections = this.#connectionsMax;
      if (tls !== undefined) secureServer(listening as unknown as TlsServer, tls);
      this.#connections.watch(listening);
    }
    this.#sweeper ??= setInterval(() => this.#connections.sweep(), this.#sweepMs).unref();
  }

  /** Waits up to `deadlineMs` for calls in flight, then aborts them. */
  async close(deadlineMs: number): Promise<void> {
    clearInterval(this.#sweeper);
    const timer = setTimeout(() => this.#server.forceShutdown(), deadlineMs);
    await new Promise<void>((resolve) => {
      this.#server.tryShutdown(() => resolve());
    });
    clearTimeout(timer);
  }
}

/** Credentials whose server `secureServer` keeps up to date. */
class IdentityCredentials extends ServerCredentials {
  constructor(tls: TlsIdentity) {
    super(tlsServerOptions(tls), tls.contextOptions);
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}
