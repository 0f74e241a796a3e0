// Limits the share of an event-loop tick that one kind of work takes, over all connections
// together.
//
//   poll phase    a connection with new input runs at once while there is time, else it is queued
//   check phase   the queue runs in FIFO order until its time is used up; the rest waits for the next tick
//
// A limit per connection is not enough: a thousand connections that may take a millisecond each
// make a tick of a second, in which no heartbeat is answered. With a queue, others wait for one
// share, however many connections there are. Connections with little input go first: a single
// command does not wait for a thousand pipelines.

import { setImmediate } from 'node:timers';
import { monotonicNowMs } from '../clock.ts';
import type { Clock } from '../clock.ts';

/** Budget of each of the two phases. */
const SHARE_MS_DEFAULT = 4;
/** Input up to this size goes first. */
export const LITTLE_BYTES = 2048;
/** Entries that have run are removed from the queue once there are this many. */
const COMPACT_MIN = 1024;

/** Deferred work. `runTurn` limits itself to about a millisecond and must not throw. */
export interface SharedTurn {
  runTurn(): void;
}

/** Shared by all connections of one kind. */
export class LoopShare {
  readonly #shareMs: number;
  readonly #nowMs: Clock;
  /** Work with little input, and the rest. */
  readonly #queues: readonly [TurnQueue, TurnQueue] = [new TurnQueue(), new TurnQueue()];
  /** When the first connection of this tick ran; -1 if none has. */
  #startedMs = -1;
  #isScheduled = false;
  readonly #endTurn = (): void => {
    this.#startedMs = -1;
  };
  readonly #runQueue = (): void => this.#run();

  constructor(shareMs = SHARE_MS_DEFAULT, nowMs: Clock = monotonicNowMs) {
    this.#shareMs = shareMs;
    this.#nowMs = nowMs;
  }

  /**
   * Whether a connection with `byteCount` bytes of input may run at once. `nowMs` is the current
   * time.
   */
  hasTime(nowMs: number, byteCount: number): boolean {
    if (this.#startedMs < 0) {
      this.#startedMs = nowMs;
      setImmediate(this.#endTurn);
      return true;
    }
    const shares = byteCount <= LITTLE_BYTES ? 2 : 1;
    return nowMs - this.#startedMs < shares * this.#shareMs;
  }

  /** Queues `turn` to run once, after the queued work of its class. */
  later(turn: SharedTurn, byteCount: number): void {
    this.#queues[byteCount <= LITTLE_BYTES ? 0 : 1].push(turn);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#runQueue);
  }

  #run(): void {
    this.#isScheduled = false;
    const endMs = this.#nowMs() + this.#shareMs;
    // Work that is queued meanwhile waits for the next tick.
    let count = this.#queues[0].length + this.#queues[1].length;
    for (; count > 0; count--) {
      const turn = this.#queues[0].take() ?? this.#queues[1].take();
      turn?.runTurn();
      if (this.#nowMs() >= endMs) break;
    }
    if (this.#queues[0].length + this.#queues[1].length > 0) this.#schedule();
  }
}

class TurnQueue {
  #turns: SharedTurn[] = [];
  #head = 0;

  get length(): number {
    return this.#turns.length - this.#head;
  }

  push(turn: SharedTurn): void {
    this.#turns.push(turn);
  }

  take(): SharedTurn | undefined {
    const turn = this.#turns[this.#head];
    if (turn === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#turns.length) {
      this.#turns = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_MIN) {
      this.#turns = this.#turns.slice(this.#head);
      this.#head = 0;
    }
    return turn;
  }
}
