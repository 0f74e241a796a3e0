// Time. Every measurement uses a monotonic clock: the wall clock may jump by an hour.

import { setImmediate } from 'node:timers';

/** Milliseconds from an arbitrary start; never goes back. */
export type Clock = () => number;

/** The process's monotonic clock. */
export const monotonicNowMs: Clock = () => performance.now();

/** Cancels a scheduled call. Does nothing once the call was made. */
export type Cancel = () => void;

/** The time of a process: its clocks and its timers. A simulation has its own. */
export interface Time {
  readonly nowMs: Clock;
  /** Unix time in milliseconds: for people, records and file times, never for a decision. */
  unixMs(): number;
  /** Calls `callback` once, `delayMs` from now or a little later. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Calls `callback` once, after the I/O of this event-loop tick. */
  soon(callback: () => void): Cancel;
}

/** The time of this machine. */
export const systemTime: Time = {
  nowMs: monotonicNowMs,
  unixMs: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
  soon: (callback) => {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
};

/** Units of work (characters, bytes) in one event-loop tick. */
const WORK_A_TURN = 4 * 1024 * 1024;

/** For long work that must not stop everything else, such as the renewal of a lease. */
export class Turns {
  #work = 0;

  /**
   * Counts work that was done; now and then resolves only after the I/O of this event-loop tick.
   */
  async after(work: number): Promise<void> {
    this.#work += work;
    if (this.#work < WORK_A_TURN) return;
    this.#work = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

let turnMs = -1;

/**
 * `monotonicNowMs` as of its first call in this event-loop tick, for code that runs many thousand
 * times a tick. It lags by at most the duration of the tick.
 */
export const tickNowMs: Clock = () => {
  if (turnMs < 0) {
    turnMs = performance.now();
    setImmediate(endTurn);
  }
  return turnMs;
};

function endTurn(): void {
  turnMs = -1;
}

/** ISO 8601 wall time, for people and records only; never for a decision. */
export function wallClockIso(time: Time = systemTime): string {
  return wallClockIsoIn(0, time);
}

/** ISO 8601 wall time, `aheadMs` from now. */
export function wallClockIsoIn(aheadMs: number, time: Time = systemTime): string {
  return new Date(time.unixMs() + aheadMs).toISOString();
}

/** Resolves after `delayMs`, or at once (without an error) when `signal` aborts. */
export function sleep(
  delayMs: number,
  signal?: AbortSignal,
  time: Time = systemTime,
): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = time.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
