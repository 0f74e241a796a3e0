// Reads over a protocol whose replies come in the order of the requests, over a number of
// connections.
//
//   slot s uses connection s % connections
//
// A connection that is lost fails the reads in flight, and is made again at the next read, at most
// ten times a second. One that has not answered for the timeout is cut.

import { monotonicNowMs } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import { dial } from '../../transport/dial.ts';
import { dialReason } from '../../transport/tls/dial-errors.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { failed } from './read-target.ts';
import type { OnOutcome, ReadOutcome, ReadTarget } from './read-target.ts';

const REDIAL_PAUSE_MS = 100;
const WATCH_MS = 250;

export interface PipelinedOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsIdentity | undefined;
  readonly connections: number;
  /** Without an answer for so long, the reads in flight of a connection fail. */
  readonly timeoutMs: number;
}

/** What is sent, and how replies are read. */
export interface Protocol {
  /** For the report. */
  readonly name: string;
  /** The request for each key. */
  readonly requests: readonly Buffer[];
  /** Sent first on each connection; each has one reply, which does not count. */
  readonly greeting: readonly Buffer[];
  /**
   * Calls `onOutcome` for each reply in the bytes that are pushed. `push` throws where they are
   * none.
   */
  decoder(onOutcome: OnOutcome): { push(chunk: Buffer): void };
}

export class PipelinedTarget implements ReadTarget {
  readonly name: string;
  readonly #connections: Connection[];
  readonly #requests: readonly Buffer[];
  readonly #watch: NodeJS.Timeout;

  constructor(protocol: Protocol, options: PipelinedOptions) {
    this.name = protocol.name;
    this.#requests = protocol.requests;
    this.#connections = Array.from(
      { length: options.connections },
      () => new Connection(options, protocol),
    );
    this.#watch = setInterval(() => {
      for (const connection of this.#connections) connection.cutIfSilent();
    }, WATCH_MS);
  }

  read(slot: number, key: number, done: OnOutcome): void {
    const connection = this.#connections[slot % this.#connections.length];
    connection?.send(this.#requests[key] ?? Buffer.alloc(0), done);
  }

  close(): void {
    clearInterval(this.#watch);
    for (const connection of this.#connections) connection.close();
  }
}

class Connection {
  readonly #options: PipelinedOptions;
  readonly #protocol: Protocol;
  #socket: ReturnType<typeof dial> | undefined;
  /** The reads in flight, the oldest first; from `#first` on. */
  #waiting: OnOutcome[] = [];
  #first = 0;
  #outgoing: Buffer[] = [];
  #heardAtMs = 0;
  #dialledAtMs = -Infinity;
  #isClosed = false;

  constructor(options: PipelinedOptions, protocol: Protocol) {
    this.#options = options;
    this.#protocol = protocol;
  }

  send(bytes: Buffer, done: OnOutcome): void {
    if (this.#isClosed) return queueMicrotask(() => done(failed('the benchmark is over')));
    if (this.#socket === undefined) {
      const pauseMs = this.#dialledAtMs + REDIAL_PAUSE_MS - monotonicNowMs();
      if (pauseMs > 0) {
        setTimeout(() => this.send(bytes, done), pauseMs);
        return;
      }
      this.#dial();
    }
    if (this.#first === this.#waiting.length) this.#heardAtMs = monotonicNowMs();
    this.#waiting.push(done);
    if (this.#outgoing.push(bytes) === 1) process.nextTick(() => this.#flush());
  }

  /** Cuts a connection with reads in flight that has not answered for too long. */
  cutIfSilent(): void {
    const isWaiting = this.#first < this.#waiting.length;
    if (!isWaiting || monotonicNowMs() - this.#heardAtMs < this.#options.timeoutMs) return;
    this.#lose(`no answer for ${this.#options.timeoutMs} ms`);
  }

  close(): void {
    this.#isClosed = true;
    this.#lose('the benchmark is over');
  }

  #dial(): void {
    const { host, port, tls } = this.#options;
    this.#dialledAtMs = monotonicNowMs();
    this.#heardAtMs = this.#dialledAtMs;
    const socket = dial(host, port, { tls });
    this.#socket = socket;
    const replies = this.#protocol.decoder((outcome) => this.#answer(outcome));
    socket.on('data', (chunk: Buffer) => {
      if (socket !== this.#socket) return;
      try {
        replies.push(chunk);
      } catch (thrown) {
        this.#lose(toSteleError(thrown).message);
      }
    });
    const lost = (why: string): void => {
      if (socket === this.#socket) this.#lose(why);
    };
    socket.on('error', (error) => lost(dialReason(error)));
    socket.on('close', () => lost('the connection was closed'));
    for (const bytes of this.#protocol.greeting) this.#prepare(bytes);
  }

  /** Sends a command whose reply does not count. */
  #prepare(bytes: Buffer): void {
    this.#waiting.push(() => undefined);
    this.#outgoing.push(bytes);
    if (this.#outgoing.length === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    const [only] = outgoing;
    if (only === undefined) return;
    this.#socket?.write(outgoing.length === 1 ? only : Buffer.concat(outgoing));
  }

  #answer(outcome: ReadOutcome): void {
    const done = this.#waiting[this.#first];
    if (done === undefined) return this.#lose('a reply to no command');
    this.#first++;
    if (this.#first > 1024) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    this.#heardAtMs = monotonicNowMs();
    done(outcome);
  }

  #lose(why: string): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    const lost = this.#waiting.slice(this.#first);
    this.#waiting = [];
    this.#first = 0;
    this.#outgoing = [];
    for (const done of lost) done(failed(why));
  }
}
