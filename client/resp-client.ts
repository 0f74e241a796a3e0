// One connection that speaks the Redis protocol, for the REPL.
//
// Replies come in the order of the commands, so the commands in flight are a queue. After a late
// reply, or bytes that are not the protocol, the order is unknown: the connection is then closed
// and everything in flight fails. The caller has to connect again.

import type { Socket } from 'node:net';
import { hostAndPort } from '../base/address.ts';
import { SteleError, systemErrorCode } from '../base/errors.ts';
import { ReplyDecoder } from '../resp/wire/reply-decoder.ts';
import type { Reply } from '../resp/wire/reply-decoder.ts';
import { dial, establishedEvent } from '../transport/dial.ts';
import { PERHAPS_TLS, dialReason, tlsReasonIn } from '../transport/tls/dial-errors.ts';
import type { TlsIdentity } from '../transport/tls/tls-identity.ts';

export type { Reply } from '../resp/wire/reply-decoder.ts';

const CONNECT_MS_DEFAULT = 5000;
const REPLY_MS_DEFAULT = 30_000;
const IN_FLIGHT_MAX = 10_000;

export interface RespClientOptions {
  readonly connectTimeoutMs?: number;
  /** Time limit in ms from sending a command to its reply. */
  readonly replyTimeoutMs?: number;
  /** Secures the connection; without it there is no TLS. */
  readonly tls?: TlsIdentity | undefined;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: SteleError) => void;
  readonly timer: NodeJS.Timeout;
}

export class RespClient {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #replyTimeoutMs: number;
  readonly #decoder = new ReplyDecoder();
  readonly #inFlight: Waiting[] = [];
  readonly #closeListeners: (() => void)[] = [];
  #failure: SteleError | undefined;

  /** Connects. Throws UNAVAILABLE, whose message says where, why and what to try. */
  static async connect(
    host: string,
    port: number,
    options: RespClientOptions = {},
  ): Promise<RespClient> {
    const name = hostAndPort(host, port);
    const { connectTimeoutMs = CONNECT_MS_DEFAULT, tls } = options;
    const socket = await open(host, port, name, connectTimeoutMs, tls);
    return new RespClient(socket, name, options.replyTimeoutMs ?? REPLY_MS_DEFAULT);
  }

  private constructor(socket: Socket, name: string, replyTimeoutMs: number) {
    this.#socket = socket;
    this.#name = name;
    this.#replyTimeoutMs = replyTimeoutMs;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(`The connection to ${name} broke`, error));
    socket.on('close', () => {
      this.#fail(`${name} ${socket.bytesRead === 0 ? PERHAPS_TLS : 'closed the connection'}`);
    });
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Calls `listener` once, when the connection has ended for any reason. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /**
   * Sends one command; resolves to its reply (an error reply is a reply). Throws UNAVAILABLE if the
   * connection ends first, DEADLINE_EXCEEDED if the reply is late, OVERLOADED if too many commands
   * are waiting.
   */
  send(args: readonly (string | Buffer)[]): Promise<Reply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#inFlight.length >= IN_FLIGHT_MAX) {
      const message = `${IN_FLIGHT_MAX} commands are already waiting for ${this.#name}; wait for their replies.`;
      return Promise.reject(new SteleError('OVERLOADED', message));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#late(), this.#replyTimeoutMs);
      this.#inFlight.push({ resolve, reject, timer });
      this.#socket.write(encodeCommand(args));
    });
  }

  /**
   * Sends one command that the server will not answer (CLIENT REPLY). Throws UNAVAILABLE if there
   * is no connection.
   */
  sendOnly(args: readonly (string | Buffer)[]): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#socket.write(encodeCommand(args));
  }

  /** Closes at once; commands in flight fail with CANCELLED. */
  cancel(): void {
    this.#end(new SteleError('CANCELLED', 'Given up; the connection is made again when needed.'));
  }

  /** Closes at once; commands in flight fail with UNAVAILABLE. */
  close(): void {
    this.#fail(`The connection to ${this.#name} was closed`);
  }

  #receive(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk);
      for (let reply = this.#decoder.next(); reply !== undefined; reply = this.#decoder.next()) {
        // Pushed messages do not answer a command.
        if (reply.type !== 'push') this.#settle(reply);
      }
    } catch (thrown) {
      const what = `${this.#name} does not speak the Redis protocol`;
      this.#fail(`${what}; name a RESP port (of a master it is 7379 by default)`, thrown);
    }
  }

  #settle(reply: Reply): void {
    const waiting = this.#inFlight.shift();
    if (waiting === undefined) {
      // A server sends an unsolicited error before it closes: too many connections, or a protocol
      // error.
      const text = reply.type === 'error' ? reply.text : 'a reply to no command';
      this.#fail(`${this.#name} ended the connection: ${text}`);
      return;
    }
    clearTimeout(waiting.timer);
    waiting.resolve(reply);
  }

  #late(): void {
    const message = `${this.#name} did not answer within ${this.#replyTimeoutMs} ms; the connection was given up.`;
    this.#end(new SteleError('DEADLINE_EXCEEDED', message));
  }

  #fail(what: string, cause?: unknown): void {
    this.#end(new SteleError('UNAVAILABLE', `${what}.`, cause === undefined ? {} : { cause }));
  }

  #end(error: SteleError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const { timer, reject } of this.#inFlight.splice(0)) {
      clearTimeout(timer);
      reject(error);
    }
    for (const listener of this.#closeListeners.splice(0)) listener();
  }
}

/** A command as an array of bulk strings: `*n\r\n`, then `$length\r\nbytes\r\n` for each. */
function encodeCommand(args: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg, 'utf8') : arg;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

function open(
  host: string,
  port: number,
  name: string,
  timeoutMs: number,
  tls: TlsIdentity | undefined,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = dial(host, port, { tls });
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      const tlsReason = tlsReasonIn(why);
      const message =
        tlsReason !== undefined
          ? `${name} cannot be used (${tlsReason}).`
          : `Nothing answers at ${name} (${why}); start a cluster with \`stele up\`, or name its RESP address with -h and -p.`;
      reject(new SteleError('UNAVAILABLE', message, cause === undefined ? {} : { cause }));
    };
    const timer = setTimeout(() => fail(`no connection within ${timeoutMs} ms`), timeoutMs);
    const onError = (error: Error): void => fail(reasonOf(error), error);
    socket.once('error', onError);
    socket.once(establishedEvent(tls), () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve(socket);
    });
  });
}

function reasonOf(error: Error): string {
  switch (systemErrorCode(error)) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'no such host';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route to it';
    default:
      return dialReason(error);
  }
}
