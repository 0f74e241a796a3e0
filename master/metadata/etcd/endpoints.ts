// The endpoints of an etcd cluster, and a connection to each.
//
// One endpoint is preferred: the one that worked last. A failure makes the next one preferred.
//
//   connect()           the current connection, once it is established
//   retire(connection)  it gave no answer in time: later calls get a new one, and it is closed when
//                       the calls in flight on it have ended. So a slow write is not cut off, and a
//                       dead TCP connection is not waited for.
//
// The HTTP/2 keepalive stays above etcd's `--grpc-keepalive-min-time` (5 s) and pings only during
// calls, because etcd closes a connection that pings more often. Calls therefore detect a silent
// peer by their own deadlines.

import { Client, connectivityState } from '@grpc/grpc-js';
import type { ClientDuplexStream, Metadata, MethodDefinition } from '@grpc/grpc-js';
import { checkAddress } from '../../../base/address.ts';
import { SteleError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { openClient } from '../../../transport/grpc-channel.ts';
import type { TlsSource } from '../../../transport/tls/tls-files.ts';
import { TlsIdentity } from '../../../transport/tls/tls-identity.ts';
import { Failure, errorAt, failureOf } from './outcomes.ts';

const DIAL_MS = 2000;
const CHANNEL = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3000,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.max_reconnect_backoff_ms': 500,
};

export class Endpoints {
  readonly #all: readonly Endpoint[];
  readonly #tls: TlsIdentity | undefined;
  #preferred = 0;

  /** Files that are replaced later are used for later connections. */
  constructor(addresses: readonly string[], tls: TlsSource | undefined, log?: Logger) {
    if (addresses.length === 0) {
      throw new SteleError('INVALID_ARGUMENT', 'No endpoint of etcd is given; name one or more.');
    }
    this.#tls = tls === undefined ? undefined : new TlsIdentity(tls, 'etcd').watch(log);
    this.#all = addresses.map((address) => new Endpoint(checkAddress(address), this.#tls));
  }

  get count(): number {
    return this.#all.length;
  }

  /** The preferred endpoint; with `after`, the next one in order. */
  pick(after?: Endpoint): Endpoint {
    const index = after === undefined ? this.#preferred : this.#all.indexOf(after) + 1;
    return this.#all[index % this.#all.length] as Endpoint;
  }

  /** The endpoint with an address of the options. */
  at(address: string): Endpoint {
    const found = this.#all.find((endpoint) => endpoint.address === address);
    if (found !== undefined) return found;
    throw new SteleError('INVALID_ARGUMENT', `${address} is not among the endpoints of etcd.`);
  }

  /** Prefers the next endpoint, if this one is preferred. */
  leave(endpoint: Endpoint): void {
    if (this.#all[this.#preferred] === endpoint) {
      this.#preferred = (this.#preferred + 1) % this.#all.length;
    }
  }

  close(): void {
    this.#tls?.close();
    for (const endpoint of this.#all) endpoint.close();
  }
}

export class Endpoint {
  readonly address: string;
  readonly #tls: TlsIdentity | undefined;
  readonly #open = new Set<Connection>();
  #current: Connection | undefined;
  #isClosed = false;

  constructor(address: string, tls: TlsIdentity | undefined) {
    this.address = address;
    this.#tls = tls;
  }

  /**
   * The connection, once it is established or an attempt has failed (a call then fails at once,
   * with the reason). Throws a Failure `not-made` after `withinMs`.
   */
  async connect(withinMs: number): Promise<Connection> {
    const connection = this.#connection();
    if (await connection.settled(withinMs)) return connection;
    throw new Failure('not-made', errorAt(this.address, 'UNAVAILABLE', 'no connection in time'));
  }

  retire(connection: Connection): void {
    if (this.#current === connection) this.#current = undefined;
    connection.retire();
  }

  /** No connection is opened afterwards. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#open) connection.close();
  }

  #connection(): Connection {
    if (this.#current !== undefined) return this.#current;
    if (this.#isClosed) throw closedFailure(this.address);
    const connection = new Connection(this.address, this.#tls, () => this.#open.delete(connection));
    this.#open.add(connection);
    this.#current = connection;
    return connection;
  }
}

interface CallOptions {
  readonly metadata: Metadata;
  readonly deadlineMs: number;
}

export class Connection {
  readonly address: string;
  readonly #client: Client;
  readonly #onClosed: () => void;
  readonly #calls = new Set<{ cancel(): void }>();
  #isRetired = false;
  #isClosed = false;

  constructor(address: string, tls: TlsIdentity | undefined, onClosed: () => void) {
    this.address = address;
    this.#onClosed = onClosed;
    const options = { dialMs: DIAL_MS, channel: CHANNEL };
    this.#client = openClient(Client, address, { ...options, tls });
  }

  /** Whether the connection was established, or failed, within the time. */
  settled(withinMs: number): Promise<boolean> {
    const channel = this.#client.getChannel();
    const deadline = Date.now() + withinMs;
    return new Promise((resolve) => {
      const look = (late?: Error): void => {
        if (late !== undefined) {
          resolve(false);
          return;
        }
        const state = channel.getConnectivityState(true);
        const isPending =
          state === connectivityState.IDLE || state === connectivityState.CONNECTING;
        if (isPending) channel.watchConnectivityState(state, deadline, look);
        else resolve(true);
      };
      look();
    });
  }

  /** Makes a call with one request and one answer. Rejects with a Failure. */
  ask<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    return method.requestStream
      ? this.#askOnStream(method, request, options)
      : this.#askOnce(method, request, options);
  }

  /**
   * Opens a stream; the caller must call `release` with it when it has ended. Throws a Failure if
   * the connection was closed.
   */
  stream<Request, Response>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
    metadata: Metadata,
    deadlineMs?: number,
  ): ClientDuplexStream<Request, Response> {
    this.#assertOpen();
    const deadline = deadlineMs === undefined ? Infinity : Date.now() + deadlineMs;
    const options = { deadline };
    const stream = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      options,
    );
    this.#calls.add(stream);
    return stream;
  }

  release(call: { cancel(): void }): void {
    this.#calls.delete(call);
    if (this.#isRetired && this.#calls.size === 0) this.close();
  }

  retire(): void {
    this.#isRetired = true;
    if (this.#calls.size === 0) this.close();
  }

  /** Ends the calls in flight as well. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const call of this.#calls) call.cancel();
    this.#client.close();
    this.#onClosed();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedFailure(this.address);
  }

  #askOnce<Request, Response>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Request, Response>,
    request: Request,
    { metadata, deadlineMs }: CallOptions,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + deadlineMs },
        (error, response) => {
          this.release(call);
          if (error !== null) reject(failureOf(error, this.address));
          else resolve(response as Response);
        },
      );
      this.#calls.add(call);
    });
  }

  #askOnStream<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    { metadata, deadlineMs }: CallOptions,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const stream = this.stream(method, metadata, deadlineMs);
      stream.once('data', (response: Response) => {
        resolve(response);
        stream.cancel();
      });
      stream.on('error', (error) => reject(failureOf(error, this.address)));
      stream.once('status', () => {
        this.release(stream);
        const error = errorAt(this.address, 'UNAVAILABLE', 'it ended the stream without an answer');
        reject(new Failure('unknown', error));
      });
      stream.write(request);
      stream.end();
    });
  }
}

function closedFailure(address: string): Failure {
  return new Failure('not-made', errorAt(address, 'UNAVAILABLE', 'the connection was closed'));
}
