// The delay before an ended process is started again: 200 ms, doubling up to 5 s, and reset once it
// has run for 10 s. Pure.

const BACKOFF_MS_MIN = 200;
const BACKOFF_MS_MAX = 5000;
const STABLE_MS = 10_000;

/**
 * The delay after a run of `ranMs`; `previousMs` is the delay before that run (0: it was the
 * first).
 */
export function nextBackoffMs(previousMs: number, ranMs: number): number {
  if (previousMs === 0 || ranMs >= STABLE_MS) return BACKOFF_MS_MIN;
  return Math.min(previousMs * 2, BACKOFF_MS_MAX);
}
