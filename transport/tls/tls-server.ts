// TLS of a port: handshakes with a deadline, certificates of clients, new certificates without a
// restart.
//
//     connection      a TCP connection: the deadline of its handshake begins
//     established     passed on to the server that is on top; a client that showed a certificate of a
//                     stranger is cut off instead. To show none is allowed.
//
// Invariants: a connection without a finished handshake is closed after its deadline; there are at
// most HANDSHAKES_MAX of them, and the oldest is closed for a further one.

import type { Socket } from 'node:net';
import type { Server, TLSSocket, TlsOptions } from 'node:tls';
import { hostAndPort } from '../../base/address.ts';
import type { TlsIdentity } from './tls-identity.ts';

const HANDSHAKE_MS = 10_000;
const HANDSHAKES_MAX = 2000;

/** The options of a TLS server of `identity`. */
export function tlsServerOptions(identity: TlsIdentity): TlsOptions {
  return {
    ...identity.contextOptions,
    handshakeTimeout: HANDSHAKE_MS,
    requestCert: true,
    // Node.js would also refuse those without a certificate; strangers are refused below.
    rejectUnauthorized: false,
  };
}

/** The option of fastify for a server with these options of node:http. */
export function httpOptions<Options extends object>(
  identity: TlsIdentity | undefined,
  options: Options,
): { http: Options } {
  if (identity === undefined) return { http: options };
  // Its types tell an app with TLS from one without, which makes no difference to anyone here.
  return { https: { ...options, ...tlsServerOptions(identity) } } as unknown as { http: Options };
}

/** Watches over the connections of a server that was made with `tlsServerOptions`. */
export function secureServer(
  server: Server,
  identity: TlsIdentity,
  handshakeMs = HANDSHAKE_MS,
): void {
  const unsubscribe = identity.onChange(() => server.setSecureContext(identity.contextOptions));
  server.once('close', unsubscribe);
  const onFailure = (): void => void identity.failedHandshakes++;
  const handshakes = new Handshakes(handshakeMs, onFailure);
  server.prependListener('connection', (socket: Socket) => handshakes.begin(socket));
  server.on('tlsClientError', (error: Error & { code?: string }) => {
    // A client that goes away before it has said anything: a probe of the port.
    if (error.code !== 'ECONNRESET') onFailure();
  });
  // A listener could not keep a connection from the listeners after it, which are those of Node.js.
  const emit = server.emit.bind(server);
  server.emit = (event: string, ...args: unknown[]): boolean => {
    if (event !== 'secureConnection') return emit(event, ...args);
    const socket = args[0] as TLSSocket;
    handshakes.end(socket);
    if (!isStranger(socket)) return emit(event, ...args);
    onFailure();
    socket.destroy();
    return true;
  };
}

function isStranger(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}

/** Connections whose handshakes have not ended, oldest first. */
class Handshakes {
  readonly #pending = new Map<
    string,
    { readonly socket: Socket; readonly timer: NodeJS.Timeout }
  >();

  readonly #deadlineMs: number;
  readonly #onFailure: () => void;

  /** `onFailure` is called for each that is closed here. */
  constructor(deadlineMs: number, onFailure: () => void) {
    this.#deadlineMs = deadlineMs;
    this.#onFailure = onFailure;
  }

  begin(socket: Socket): void {
    const name = nameOf(socket);
    const timer = setTimeout(() => this.#close(socket), this.#deadlineMs).unref();
    this.#pending.set(name, { socket, timer });
    socket.once('close', () => this.#end(name));
    const [oldest] = this.#pending.values();
    if (this.#pending.size > HANDSHAKES_MAX && oldest !== undefined) this.#close(oldest.socket);
  }

  /** `socket` is the secured one, which is another object with the same addresses. */
  end(socket: TLSSocket): void {
    this.#end(nameOf(socket));
  }

  #close(socket: Socket): void {
    this.#onFailure();
    socket.destroy();
  }

  #end(name: string): void {
    clearTimeout(this.#pending.get(name)?.timer);
    this.#pending.delete(name);
  }
}

function nameOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return hostAndPort(remoteAddress, remotePort);
}
