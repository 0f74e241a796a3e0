// How long to wait before a process that ended is started again: 200 ms, doubling to 5 s, and from
// the beginning once it has run for 10 s. Pure.

const BACKOFF_MS_MIN = 200;
const BACKOFF_MS_MAX = 5000;
const STABLE_MS = 10_000;

/** The wait after a run of `ranMs`, when the wait before that run was `previousMs` (0: it was the first). */
export function nextBackoffMs(previousMs: number, ranMs: number): number {
  if (previousMs === 0 || ranMs >= STABLE_MS) return BACKOFF_MS_MIN;
  return Math.min(previousMs * 2, BACKOFF_MS_MAX);
}
