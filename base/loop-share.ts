// The time that one kind of work may take of a turn of the event loop, all connections together.
//
//   poll phase    a connection whose bytes arrive runs at once while there is time, and joins the queue otherwise
//   check phase   the queue runs, first come first served, until the time is over; the rest waits for the next turn
//
// A bound for each connection is not enough: a thousand of them that may take a millisecond each make a turn of a
// second, in which no heartbeat is answered. With a queue, others wait for one share, however many there are.
// Who has sent little goes before those with much: a single command does not wait for a thousand pipelines.

import { setImmediate } from 'node:timers';
import { monotonicNowMs } from './clock.ts';
import type { Clock } from './clock.ts';

/** Of each of the two phases. */
const SHARE_MS_DEFAULT = 4;
/** What a connection may have sent to go first. */
export const LITTLE_BYTES = 2048;
/** Entries that have run are dropped from the queue once there are so many. */
const COMPACT_MIN = 1024;

/** Work that goes on later. `runTurn` bounds itself to about a millisecond and must not throw. */
export interface SharedTurn {
  runTurn(): void;
}

/** One for all connections that share the time. */
export class LoopShare {
  readonly #shareMs: number;
  readonly #nowMs: Clock;
  /** Those with little to do, and the others. */
  readonly #queues: readonly [TurnQueue, TurnQueue] = [new TurnQueue(), new TurnQueue()];
  /** When the first connection of this turn of the loop ran; -1: none has. */
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

  /** Whether a connection may run at once that has sent so much; `nowMs` is what the clock says. */
  hasTime(nowMs: number, byteCount: number): boolean {
    if (this.#startedMs < 0) {
      this.#startedMs = nowMs;
      setImmediate(this.#endTurn);
      return true;
    }
    const shares = byteCount <= LITTLE_BYTES ? 2 : 1;
    return nowMs - this.#startedMs < shares * this.#shareMs;
  }

  /** Has `turn` run once, after all of its kind that wait already. */
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
    // What joins meanwhile has had its turn.
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
