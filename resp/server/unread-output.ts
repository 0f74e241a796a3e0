// The replies that one client has not taken: its part of what all clients make the listener hold, and since when it
// has taken nothing.

import type { Socket } from 'node:net';
import { unsentBytes } from '../../base/socket-reads.ts';
import type { Pressure } from './pressure.ts';

export class UnreadOutput {
  /** It is more than this client may leave unread; as of the last `account`. */
  isFull = false;
  /** When the system last took some of it, as of the last sweep. */
  takenMs: number;
  readonly #socket: Socket;
  readonly #pressure: Pressure;
  /** As it is part of the total. */
  #accountedBytes = 0;
  /** What the system had not taken of it at the last sweep. */
  #unsentBytes = 0;

  constructor(socket: Socket, pressure: Pressure, nowMs: number) {
    this.#socket = socket;
    this.#pressure = pressure;
    this.takenMs = nowMs;
  }

  /** Notes how much this client has not taken yet, and whether that is too much. */
  account(waitingBytes = this.#socket.writableLength): void {
    if (waitingBytes !== this.#accountedBytes) {
      this.#pressure.noteOutput(waitingBytes - this.#accountedBytes);
    }
    this.#accountedBytes = waitingBytes;
    this.isFull = waitingBytes > this.#pressure.unreadBytesMax;
  }

  /** Called now and then: whether this client is to be closed, as it takes nothing. `hasMore`: it has sent more commands. */
  isStalled(nowMs: number, hasMore: boolean): boolean {
    const unsent = unsentBytes(this.#socket);
    if (unsent === 0 || unsent !== this.#unsentBytes) this.takenMs = nowMs;
    this.#unsentBytes = unsent;
    this.account();
    // One that has sent more commands and reads no reply waits for us to read on, as we do for it.
    return this.#pressure.isStalled(nowMs - this.takenMs, this.isFull && hasMore);
  }
}
