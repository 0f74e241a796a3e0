// Time. Everything that measures uses a monotonic clock: the wall clock may jump by an hour.

/** Milliseconds from an arbitrary start; never goes back. */
export type Clock = () => number;

/** The process's monotonic clock. */
export const monotonicNowMs: Clock = () => performance.now();

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
