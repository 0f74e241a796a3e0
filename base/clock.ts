// Time. Everything that measures uses a monotonic clock: the wall clock may jump by an hour.

import { setImmediate } from 'node:timers';

/** Milliseconds from an arbitrary start; never goes back. */
export type Clock = () => number;

/** The process's monotonic clock. */
export const monotonicNowMs: Clock = () => performance.now();

let turnMs = -1;

/**
 * `monotonicNowMs` as it was when this turn of the event loop first asked: for what is done many
 * thousand times a turn. Late by as much as the turn has taken.
 */
export const turnNowMs: Clock = () => {
  if (turnMs < 0) {
    turnMs = performance.now();
    setImmediate(endTurn);
  }
  return turnMs;
};

function endTurn(): void {
  turnMs = -1;
}

/** ISO 8601 wall time, for people and for records only; never for a decision. */
export function wallClockIso(): string {
  return new Date().toISOString();
}

/** As wallClockIso, of the moment that is so far ahead. */
export function wallClockIsoIn(aheadMs: number): string {
  return new Date(Date.now() + aheadMs).toISOString();
}

/** Resolves after `delayMs`, or at once (without an error) when `signal` aborts. */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener('abort', done, { once: true });
  });
}
