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
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { SteleError, toSteleError } from '../base/errors.ts';
import { dial } from './dial.ts';

/** Time for a peer to accept a connection, and again to send its first byte. */
const DIAL_MS = 5000;
/** The error of a connection without a first byte: a stopped process listens at the address. */
export const NO_WORD = 'it accepts connections but does not respond';
/** Time for an established connection to finish before it is destroyed. */
const CLOSE_MS = 1000;

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type Target = Parameters<ChannelCredentials['_createSecureConnector']>[0];
type Connected = Awaited<ReturnType<SecureConnector['connect']>>;

/** PEM. Without `ca` the system's certificate authorities are trusted. */
export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Throws INVALID_ARGUMENT if the files cannot be used; `peer` is what they are for. */
export function tlsContext(files: TlsFiles, peer: string): SecureContext {
  try {
    // createSecureContext ignores an authority that is no PEM, and a certificate without its key.
    if (files.ca !== undefined) void new X509Certificate(files.ca);
    if ((files.cert === undefined) !== (files.key === undefined)) throw new Error('one is missing');
    return createSecureContext(files);
  } catch (thrown) {
    const { message } = toSteleError(thrown);
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The certificates for ${peer} cannot be used (${message}); give PEM, and a certificate with its key.`,
      { cause: thrown },
    );
  }
}

/** Credentials of one channel that watch its connections, and secure them if `tls` is given. */
export class WatchedCredentials extends ChannelCredentials {
  readonly #dialMs: number;
  readonly #tls: SecureContext | undefined;
  readonly #connectors = new Set<Connector>();
  #closed = false;

  constructor(dialMs = DIAL_MS, tls?: SecureContext) {
    super();
    this.#dialMs = dialMs;
    this.#tls = tls;
  }

  override _isSecure(): boolean {
    return this.#tls !== undefined;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(target: Target): SecureConnector {
    const connector = new Connector(target.path, this.#dialMs, this.#tls, () => {
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

/** The dials of one subchannel, one attempt after the other. */
class Connector implements SecureConnector {
  readonly #address: { host: string; port: number } | undefined;
  readonly #dialMs: number;
  readonly #tls: SecureContext | undefined;
  readonly #onDestroyed: () => void;
  readonly #sockets = new Set<Socket>();
  #destroyed = false;

  constructor(
    path: string,
    dialMs: number,
    tls: SecureContext | undefined,
    onDestroyed: () => void,
  ) {
    this.#address = addressOf(path);
    this.#dialMs = dialMs;
    this.#tls = tls;
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
    if (this.#tls === undefined) return Promise.resolve({ socket, secure: false });
    return secured(socket, this.#address?.host ?? '', this.#tls, this.#dialMs);
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
 * Makes the TLS handshake with `host`, whose name the certificate must have. The socket is destroyed after
 * `dialMs` without an end of it. (grpc-js sends an IP address as the server's name, which Node.js
 * warns of, and waits for ever for a handshake whose socket was closed without an error.)
 */
function secured(
  socket: Socket,
  host: string,
  secureContext: SecureContext,
  dialMs: number,
): Promise<Connected> {
  const servername = isIP(host) === 0 ? host : '';
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(NO_WORD)), dialMs);
    timer.unref();
    const secure = connectTls({ socket, secureContext, host, servername, ALPNProtocols: ['h2'] });
    secure.once('secureConnect', () => resolve({ socket: secure, secure: true }));
    for (const each of [socket, secure]) each.once('error', reject);
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
