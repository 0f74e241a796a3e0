// Dials the connections of gRPC channels, with a deadline, and closes them for good.
//
// grpc-js leaves both to the peer. A connection that is accepted and never answered (a stopped
// process, a middlebox) hangs for ever, and its socket stays open if the channel is closed
// meanwhile (grpc-node #2785). Each socket of a channel passes through its credentials, so it is
// watched there:
//
//   waitForReady()   opens and closes a TCP connection first: a peer that does not even accept fails
//                    here, with a deadline, and not in grpc-js after the system's two minutes
//   connect(socket)  the connection itself: destroyed if no byte arrives within DIAL_MS
//   destroy()        the subchannel is no longer needed: closes everything
//   close()          the channel is closed: later dials never resolve and hold neither socket nor timer
//
// Invariant: a socket is destroyed at most DIAL_MS after its dial without an answer, and at most
// CLOSE_MS after its connector was destroyed.

import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { dial } from './dial.ts';
import { dialReason } from './tls/dial-errors.ts';
import type { TlsIdentity } from './tls/tls-identity.ts';

/** Time for a peer to accept a connection, and again to send its first byte. */
const DIAL_MS = 5000;
/** The error of a connection without a first byte: a stopped process listens at the address. */
export const NO_WORD = 'it accepts connections but does not respond';
/** Time for an established connection to finish before it is destroyed. */
const CLOSE_MS = 1000;

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type Target = Parameters<ChannelCredentials['_createSecureConnector']>[0];
type Connected = Awaited<ReturnType<SecureConnector['connect']>>;

/** Credentials of one channel that watch its connections, and secure them if `tls` is given. */
export class WatchedCredentials extends ChannelCredentials {
  readonly #dialMs: number;
  readonly #tls: TlsIdentity | undefined;
  readonly #certifiedAs: string | undefined;
  readonly #connectors = new Set<Connector>();
  #closed = false;

  /** `certifiedAs`: HOST:PORT whose host the certificate must have, if not the dialled one. */
  constructor(dialMs = DIAL_MS, tls?: TlsIdentity, certifiedAs?: string) {
    super();
    this.#dialMs = dialMs;
    this.#tls = tls;
    this.#certifiedAs = certifiedAs;
  }

  override _isSecure(): boolean {
    return this.#tls !== undefined;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(target: Target): SecureConnector {
    const secure =
      this.#tls === undefined
        ? undefined
        : { tls: this.#tls, host: addressOf(this.#certifiedAs ?? target.path)?.host ?? '' };
    const connector = new Connector(target.path, this.#dialMs, secure, () => {
      this.#connectors.delete(connector);
    });
    this.#connectors.add(connector);
    if (this.#closed) connector.destroy();
    return connector;
  }

  /** Must be called together with the channel's own close. */
  close(): void {
    this.#closed = true;
    for (const connector of this.#connectors) connector.destroy();
  }
}

/** How the connections are secured. */
interface Secure {
  readonly tls: TlsIdentity;
  /** The name that the peer's certificate must have. */
  readonly host: string;
}

/** The dials of one subchannel, one attempt after the other. */
class Connector implements SecureConnector {
  readonly #address: { host: string; port: number } | undefined;
  readonly #dialMs: number;
  readonly #secure: Secure | undefined;
  readonly #onDestroyed: () => void;
  readonly #sockets = new Set<Socket>();
  #destroyed = false;

  constructor(path: string, dialMs: number, secure: Secure | undefined, onDestroyed: () => void) {
    this.#address = addressOf(path);
    this.#dialMs = dialMs;
    this.#secure = secure;
    this.#onDestroyed = onDestroyed;
  }

  waitForReady(): Promise<void> {
    if (this.#destroyed) return new Promise(() => undefined);
    if (this.#address === undefined) return Promise.resolve();
    const socket = dial(this.#address.host, this.#address.port);
    this.#watch(socket);
    return new Promise((resolve, reject) => {
      socket.once('connect', () => {
        socket.destroy();
        if (!this.#destroyed) resolve();
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('The connection was closed')));
    });
  }

  connect(socket: Socket): Promise<Connected> {
    this.#watch(socket, new Error(NO_WORD));
    if (this.#secure === undefined) return Promise.resolve({ socket, secure: false });
    return secured(socket, this.#secure, this.#dialMs);
  }

  getCallCredentials(): ReturnType<SecureConnector['getCallCredentials']> {
    return credentials.createEmpty();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#onDestroyed();
    for (const socket of this.#sockets) {
      if (socket.bytesRead === 0) socket.destroy();
      else setTimeout(() => socket.destroy(), CLOSE_MS).unref();
    }
  }

  /** `silence`: the error if the peer sends nothing. */
  #watch(socket: Socket, silence?: Error): void {
    if (this.#destroyed) socket.destroy();
    this.#sockets.add(socket);
    // grpc-js adds its listener only after it has made a session of the socket.
    socket.on('error', () => undefined);
    const timer = setTimeout(() => {
      if (socket.bytesRead === 0) socket.destroy(silence);
    }, this.#dialMs);
    timer.unref();
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
  }
}

/**
 * Makes the TLS handshake with a peer whose certificate must have the name `host`. The socket is
 * destroyed after `dialMs` without an end of it. (grpc-js sends an IP address as the server's name,
 * which Node.js warns of, and waits for ever for a handshake whose socket was closed without an
 * error.)
 */
function secured(socket: Socket, { host, tls }: Secure, dialMs: number): Promise<Connected> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(NO_WORD)), dialMs);
    timer.unref();
    const secure = connectTls({ socket, ...tls.dialOptions(host), ALPNProtocols: ['h2'] });
    secure.once('secureConnect', () => resolve({ socket: secure, secure: true }));
    const fail = (thrown: Error): void => reject(new Error(dialReason(thrown)));
    for (const each of [socket, secure]) each.once('error', fail);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the connection was closed in the TLS handshake'));
    });
    secure.once('secureConnect', () => clearTimeout(timer));
  });
}

/**
 * Parses `host:port` or `[host]:port`. Undefined for anything else; grpc-js then dials without the
 * check.
 */
function addressOf(path: string): { host: string; port: number } | undefined {
  const found = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+)):(?<port>\d+)$/.exec(path)?.groups;
  const host = found?.['bracketed'] ?? found?.['plain'];
  return host === undefined ? undefined : { host, port: Number(found?.['port']) };
}
