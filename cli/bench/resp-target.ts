// Reads over the Redis protocol: GET, pipelined over a number of connections.
//
//   slot s uses connection s % connections; replies come in the order of the commands
//
// A connection that is lost fails the reads in flight, and is made again at the next read, at most ten times a
// second. One that has not answered for the timeout is cut.

import { hostAndPort } from '../../base/address.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { dial } from '../../transport/dial.ts';
import { dialReason } from '../../transport/tls/dial-errors.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { MISS, failed } from './read-target.ts';
import type { OnOutcome, ReadOutcome, ReadTarget } from './read-target.ts';
import { RespReplies } from './resp-replies.ts';
import type { ReplyKind } from './resp-replies.ts';

const REDIAL_PAUSE_MS = 100;
const WATCH_MS = 250;

export interface RespTargetOptions {
  readonly host: string;
  readonly port: number;
  /** Selected on every connection; undefined: none. */
  readonly keyspace: string | undefined;
  /** The arguments of AUTH; undefined: no login. */
  readonly login: readonly string[] | undefined;
  readonly tls: TlsIdentity | undefined;
  readonly connections: number;
  /** Without an answer for so long, the reads in flight of a connection fail. */
  readonly timeoutMs: number;
}

export class RespTarget implements ReadTarget {
  readonly name: string;
  readonly #connections: Connection[];
  readonly #commands: readonly Buffer[];
  readonly #watch: NodeJS.Timeout;

  constructor(keys: readonly Buffer[], options: RespTargetOptions) {
    this.name = `RESP ${hostAndPort(options.host, options.port)}`;
    this.#commands = keys.map((key) => command('GET', key));
    this.#connections = Array.from({ length: options.connections }, () => new Connection(options));
    this.#watch = setInterval(() => {
      for (const connection of this.#connections) connection.cutIfSilent();
    }, WATCH_MS);
  }

  read(slot: number, key: number, done: OnOutcome): void {
    const connection = this.#connections[slot % this.#connections.length];
    connection?.send(this.#commands[key] ?? Buffer.alloc(0), done);
  }

  close(): void {
    clearInterval(this.#watch);
    for (const connection of this.#connections) connection.close();
  }
}

/** `words` as an array of bulk strings. */
function command(...words: (string | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => {
    const bytes = Buffer.from(word);
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

class Connection {
  readonly #options: RespTargetOptions;
  #socket: ReturnType<typeof dial> | undefined;
  /** The reads in flight, the oldest first; from `#first` on. */
  #waiting: OnOutcome[] = [];
  #first = 0;
  #outgoing: Buffer[] = [];
  #heardAtMs = 0;
  #dialledAtMs = -Infinity;
  #isClosed = false;

  constructor(options: RespTargetOptions) {
    this.#options = options;
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
    const { host, keyspace, login, port, tls } = this.#options;
    this.#dialledAtMs = monotonicNowMs();
    this.#heardAtMs = this.#dialledAtMs;
    const socket = dial(host, port, { tls });
    this.#socket = socket;
    const replies = new RespReplies((kind, bytes, start, end) =>
      this.#answer(kind, bytes, start, end),
    );
    socket.on('data', (chunk: Buffer) => {
      if (socket === this.#socket) replies.push(chunk);
    });
    const lost = (why: string): void => {
      if (socket === this.#socket) this.#lose(why);
    };
    socket.on('error', (error) => lost(dialReason(error)));
    socket.on('close', () => lost('the connection was closed'));
    // Refused logins and keyspaces show as the errors of the reads after them.
    if (login !== undefined) this.#prepare(command('AUTH', ...login));
    if (keyspace !== undefined) this.#prepare(command('SELECT', keyspace));
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

  #answer(kind: ReplyKind, bytes: Buffer, start: number, end: number): void {
    const done = this.#waiting[this.#first];
    if (done === undefined) return this.#lose('a reply to no command');
    this.#first++;
    if (this.#first > 1024) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    this.#heardAtMs = monotonicNowMs();
    done(outcomeOf(kind, bytes, start, end));
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

function outcomeOf(kind: ReplyKind, bytes: Buffer, start: number, end: number): ReadOutcome {
  switch (kind) {
    case 'value':
      return { status: 'hit', value: bytes.subarray(start, end) };
    case 'null':
      return MISS;
    case 'error':
      return failed(bytes.toString('utf8', start, end));
    case 'status':
    case 'other':
      return failed('the reply is not one to GET');
  }
}
