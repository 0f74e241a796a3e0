// What one connection has written: when it is sent, and how much of it the client has not read.
//
// Output is sent at the end of the event loop's turn, for all connections one after the other. A
// reply sent as soon as it is ready wakes its reader, which sends its next command and sleeps
// again: with many connections every reply causes a wake-up, which costs more than the reply. In a
// burst, the first reply wakes the reader and the others find it awake. Redis does the same
// (handleClientsWithPendingWrites, before it sleeps).

import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers';
import { unsentBytes } from '../../transport/socket-reads.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import type { ClientLimits } from './client-limits.ts';

export class Output {
  /** Whether the client has left more unread than allowed, as of the last `account`. */
  isFull = false;
  /** When the system last accepted some of it, as of the last sweep. */
  takenMs: number;
  readonly #socket: Socket;
  readonly #limits: ClientLimits;
  /** Bytes counted in the total of all clients. */
  #accountedBytes = 0;
  /** Bytes that the system had not accepted at the last sweep. */
  #unsentBytes = 0;

  constructor(socket: Socket, limits: ClientLimits, nowMs: number) {
    this.#socket = socket;
    this.#limits = limits;
    this.takenMs = nowMs;
  }

  /**
   * Writes chunks of `writer`, which reuses their memory as soon as the kernel has accepted all of
   * them. Returns their size in bytes.
   */
  write(chunks: readonly Buffer[], writer: ReplyWriter): number {
    const socket = this.#socket;
    const isBlocked = socket.writableLength > 0;
    holdUntilTurnEnd(socket, writer);
    let byteCount = 0;
    for (const chunk of chunks) {
      byteCount += chunk.length;
      socket.write(isBlocked ? ownBytes(chunk) : chunk);
    }
    this.#limits.noteTurn(byteCount);
    this.account();
    return byteCount;
  }

  /** Accounts for the bytes that this client has not read, and sets `isFull`. */
  account(waitingBytes = this.#socket.writableLength): void {
    if (waitingBytes !== this.#accountedBytes) {
      this.#limits.noteOutput(waitingBytes - this.#accountedBytes);
    }
    this.#accountedBytes = waitingBytes;
    this.isFull = waitingBytes > this.#limits.unreadBytesMax;
  }

  /**
   * Called periodically: whether this client must be closed, because it reads nothing. `hasMore`:
   * it has sent more commands.
   */
  isStalled(nowMs: number, hasMore: boolean): boolean {
    const unsent = unsentBytes(this.#socket);
    if (unsent === 0 || unsent !== this.#unsentBytes) this.takenMs = nowMs;
    this.#unsentBytes = unsent;
    this.account();
    // A client that has sent more commands and reads no reply waits for us to read, as we wait for
    // it.
    return this.#limits.isStalled(nowMs - this.takenMs, this.isFull && hasMore);
  }
}

/** The sockets held back in this turn; `end` also sends what is held. */
let held: Socket[] = [];
/** The writer of the chunks in `held[i]`. */
let writers: ReplyWriter[] = [];

/** Holds back what is written to `socket` until this turn's input has been read. */
function holdUntilTurnEnd(socket: Socket, writer: ReplyWriter): void {
  socket.cork();
  if (held.length === 0) setImmediate(releaseAll);
  held.push(socket);
  writers.push(writer);
}

function releaseAll(): void {
  const sockets = held;
  const owners = writers;
  held = [];
  writers = [];
  for (const socket of sockets) socket.uncork();
  for (let index = 0; index < sockets.length; index++) {
    if ((sockets[index] as Socket).writableLength > 0) owners[index]?.keepTaken();
  }
  for (const writer of owners) writer.reuseSent();
}

/** Copies a small part of a slab, because a small reply that waits must not keep the whole slab. */
function ownBytes(chunk: Buffer): Buffer {
  return chunk.length * 2 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk;
}
