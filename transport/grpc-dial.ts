// How the connections of gRPC channels are made: within a deadline, and ended for good when nobody wants
// them any more.
//
// grpc-js leaves both to the peer. An attempt that was accepted and never answered (a stopped process,
// a middlebox) hangs for ever, and its socket stays when the channel is closed meanwhile
// (grpc-node #2785). Each socket of a channel passes through its credentials, so that is where it is watched:
//
//   waitForReady()   a TCP connection of our own, tried and closed again: one that is not even accepted
//                    fails here, where it can be given up, and not in grpc-js for the two minutes of the system
//   connect(socket)  the connection itself: without a byte from the peer after DIAL_MS it is destroyed
//   destroy()        the subchannel is not needed any more: nothing of it stays
//   close()          nor is the channel: what it may still want to dial waits for ever, without socket or
//                    timer, until it is garbage
//
// Invariant: a socket seen here is destroyed at the latest DIAL_MS after its dial without an answer, and
// CLOSE_MS after its connector was given up.

import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** What a peer has to accept a connection, and then to say its first word. */
const DIAL_MS = 5000;
/** Why such a connection failed: something that stands still listens at the address. */
export const NO_WORD = 'it accepts connections and says nothing';
/** What an established connection has to say its last words. */
const CLOSE_MS = 1000;

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type Target = Parameters<ChannelCredentials['_createSecureConnector']>[0];

/** Credentials of one channel without TLS, whose connections are watched. */
export class WatchedCredentials extends ChannelCredentials {
  readonly #dialMs: number;
  readonly #connectors = new Set<Connector>();
  #closed = false;

  constructor(dialMs = DIAL_MS) {
    super();
    this.#dialMs = dialMs;
  }

  override _isSecure(): boolean {
    return false;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(target: Target): SecureConnector {
    const connector = new Connector(target.path, this.#dialMs, () => {
      this.#connectors.delete(connector);
    });
    this.#connectors.add(connector);
    if (this.#closed) connector.destroy();
    return connector;
  }

  /** To be called with the channel's own close. */
  close(): void {
    this.#closed = true;
    for (const connector of this.#connectors) connector.destroy();
  }
}

/** Of one subchannel: everything that it dials, one attempt after the other. */
class Connector implements SecureConnector {
  readonly #address: { host: string; port: number } | undefined;
  readonly #dialMs: number;
  readonly #onDestroyed: () => void;
  readonly #sockets = new Set<Socket>();
  #destroyed = false;

  constructor(path: string, dialMs: number, onDestroyed: () => void) {
    this.#address = addressOf(path);
    this.#dialMs = dialMs;
    this.#onDestroyed = onDestroyed;
  }

  waitForReady(): Promise<void> {
    if (this.#destroyed) return new Promise(() => undefined);
    if (this.#address === undefined) return Promise.resolve();
    const socket = connect(this.#address);
    this.#watch(socket);
    return new Promise((resolve, reject) => {
      socket.once('connect', () => {
        socket.destroy();
        if (!this.#destroyed) resolve();
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('The connection was given up')));
    });
  }

  connect(socket: Socket): Promise<{ socket: Socket; secure: boolean }> {
    this.#watch(socket, new Error(NO_WORD));
    return Promise.resolve({ socket, secure: false });
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

  /** `silence`: what the socket fails with if its peer says nothing. */
  #watch(socket: Socket, silence?: Error): void {
    if (this.#destroyed) socket.destroy();
    this.#sockets.add(socket);
    // grpc-js listens only once it has made a session of it.
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

/** `host:port` or `[host]:port`; undefined for anything else, which grpc-js will dial as it does. */
function addressOf(path: string): { host: string; port: number } | undefined {
  const found = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+)):(?<port>\d+)$/.exec(path)?.groups;
  const host = found?.['bracketed'] ?? found?.['plain'];
  return host === undefined ? undefined : { host, port: Number(found?.['port']) };
}
