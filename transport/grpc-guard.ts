// Limits that grpc-js lacks in a server: the number of connections, the objects that decoding a
// message creates, and responses that a client does not read.
//
//   decode   the fields of a message are counted before it is decoded: 16 MiB of empty keys would be
//            8 million Buffers. A malformed message is INVALID_ARGUMENT with Stele's code, not INTERNAL.
//   send     unread responses count towards the process's byte budget. A connection with unread responses
//            that reads nothing for half a minute is closed; one that reads slowly is not.

import type { Http2Server, ServerHttp2Session } from 'node:http2';
import { ServerInterceptingCall, ServerListenerBuilder } from '@grpc/grpc-js';
import type { ServerInterceptor, ServiceDefinition } from '@grpc/grpc-js';
import { clientBytes } from '../base/byte-budget.ts';
import { monotonicNowMs } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import { LOOKUP_KEYS_MAX } from '../base/limits.ts';
import { toGrpcError } from './grpc-errors.ts';

/** Fields of one message: the keys of a lookup and its other fields. Applies to every message. */
const LOOKUP_FIELDS_MAX = LOOKUP_KEYS_MAX + 16;
const FIELDS_MAX = 500_000;
/** Together with the sweep interval, a stalled client is disconnected within 30 s. */
export const STALLED_MS_MAX = 28_000;
/** Pings move bytes, too. A client reads if more than this moved between two sweeps. */
const TAKEN_BYTES_MIN = 1024;

/** Replaces a message that must not, or cannot, be decoded. */
class Refused {
  readonly error: SteleError;
  constructor(error: SteleError) {
    this.error = error;
  }
}

/** Set by the serializer of a message, right before grpc-js writes it. */
let serializedBytes = 0;

/** The same service, with messages checked before decoding and measured when encoded. */
export function guarded<Definition extends ServiceDefinition>(definition: Definition): Definition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const fieldsMax = method.path.endsWith('/Lookup') ? LOOKUP_FIELDS_MAX : FIELDS_MAX;
    return [
      name,
      {
        ...method,
        requestDeserialize: (bytes: Buffer): unknown => {
          try {
            checkFields(bytes, fieldsMax);
            return method.requestDeserialize(bytes) as unknown;
          } catch (thrown) {
            return new Refused(refusalOf(thrown));
          }
        },
        responseSerialize: (message: unknown): Buffer => {
          const bytes = method.responseSerialize(message);
          serializedBytes = bytes.length;
          return bytes;
        },
      },
    ];
  });
  return Object.fromEntries(methods) as Definition;
}

function refusalOf(thrown: unknown): SteleError {
  if (thrown instanceof SteleError) return thrown;
  const { message } = toSteleError(thrown);
  // The error text of generated code is not for users.
  const text = /M(?:AX|IN)_SAFE_INTEGER/.test(message)
    ? `A number in the request is out of range; the largest is ${Number.MAX_SAFE_INTEGER} (2^53 - 1).`
    : `The request cannot be decoded: ${message}.`;
  return new SteleError('INVALID_ARGUMENT', text, { cause: thrown });
}

/** Throws BATCH_TOO_LARGE if a message has more than `max` fields. Repeated fields count each. */
export function checkFields(bytes: Uint8Array, max: number): void {
  // A field has at least two bytes.
  if (bytes.length <= 2 * max) return;
  let at = 0;
  for (let count = 1; at < bytes.length; count++) {
    if (count > max) {
      throw new SteleError(
        'BATCH_TOO_LARGE',
        `The message has more than ${max} elements; send fewer at a time.`,
      );
    }
    const tag = bytes[at] as number;
    at = varintEnd(bytes, at);
    switch (tag & 7) {
      case 0:
        at = varintEnd(bytes, at);
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const end = varintEnd(bytes, at);
        at = end + varint(bytes, at, end);
        break;
      }
      case 5:
        at += 4;
        break;
      // The decoder rejects malformed messages.
      default:
        return;
    }
  }
}

function varintEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && (bytes[at] as number) > 0x7f) at++;
  return at + 1;
}

function varint(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = end - 1; at >= start; at--) value = value * 128 + ((bytes[at] ?? 0) & 0x7f);
  return value;
}

/** The connections of one server, with the unread bytes of each. */
export class GrpcConnections {
  readonly #connections = new Map<string, Connection>();
  readonly #stalledMsMax: number;

  /** Disconnects clients that read nothing of their responses for `stalledMsMax`. */
  constructor(stalledMsMax: number) {
    this.#stalledMsMax = stalledMsMax;
  }

  /** Pass it to the server's constructor. */
  readonly interceptor: ServerInterceptor = (_method, call) => {
    const { remoteAddress, remotePort } = call.getConnectionInfo();
    const connection = this.#connections.get(`${remoteAddress}:${remotePort}`);
    return new GuardedCall(call, connection);
  };

  /** Tracks the connections that `server` accepts. */
  watch(server: Http2Server): void {
    server.on('session', (session: ServerHttp2Session) => {
      const { remoteAddress, remotePort } = session.socket;
      const name = `${remoteAddress}:${remotePort}`;
      this.#connections.set(name, new Connection(session));
      session.once('close', () => this.#connections.delete(name));
    });
  }

  /** Call it periodically: disconnects clients that hold unread bytes and read none of them. */
  sweep(): void {
    const nowMs = monotonicNowMs();
    for (const connection of this.#connections.values()) {
      connection.sweep(nowMs, this.#stalledMsMax);
    }
  }
}

class Connection {
  /** Bytes of messages that the client has not read. */
  heldBytes = 0;
  readonly #session: ServerHttp2Session;
  #writtenBytes = 0;
  #takenMs = 0;

  constructor(session: ServerHttp2Session) {
    this.#session = session;
  }

  sweep(nowMs: number, stalledMsMax: number): void {
    const written = this.#session.destroyed ? 0 : this.#session.socket.bytesWritten;
    if (this.heldBytes === 0 || written - this.#writtenBytes > TAKEN_BYTES_MIN)
      this.#takenMs = nowMs;
    this.#writtenBytes = written;
    if (nowMs - this.#takenMs > stalledMsMax) this.#session.destroy();
  }
}

type NextCall = Parameters<ServerInterceptor>[1];

class GuardedCall extends ServerInterceptingCall {
  readonly #connection: Connection | undefined;
  /** Reservations for unread messages. Released as they are read, or when the call ends. */
  readonly #held = new Set<() => void>();

  constructor(next: NextCall, connection: Connection | undefined) {
    super(next, {
      start: (begin) => {
        const listener = new ServerListenerBuilder()
          .withOnReceiveMessage((message, pass) => {
            if (message instanceof Refused) this.#refuse(message.error);
            else pass(message);
          })
          .withOnCancel(() => {
            for (const release of this.#held) release();
          })
          .build();
        begin(listener);
      },
    });
    this.#connection = connection;
  }

  override sendMessage(message: unknown, callback: () => void): void {
    serializedBytes = 0;
    let taken = (): void => undefined;
    super.sendMessage(message, () => {
      taken();
      callback();
    });
    if (serializedBytes > 0) taken = this.#hold(serializedBytes);
  }

  #hold(byteCount: number): () => void {
    const release = clientBytes.reserve(byteCount);
    const connection = this.#connection;
    if (connection !== undefined) connection.heldBytes += byteCount;
    const taken = (): void => {
      if (!this.#held.delete(taken)) return;
      release();
      if (connection !== undefined) connection.heldBytes -= byteCount;
    };
    this.#held.add(taken);
    return taken;
  }

  #refuse(error: SteleError): void {
    this.sendStatus(toGrpcError(error));
  }
}
