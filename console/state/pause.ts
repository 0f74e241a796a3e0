// How long to wait between two requests for the same thing.

const HIDDEN_FACTOR = 15;
const HIDDEN_MS_MAX = 60_000;
const FAILED_MS_MAX = 10_000;

/** The time until the next request, after `failures` in a row that were not answered. */
export function pauseMs(everyMs: number, isHidden: boolean, failures: number): number {
  const patient = Math.min(FAILED_MS_MAX, everyMs * 2 ** Math.min(failures, 10));
  const pause = Math.max(everyMs, patient);
  return isHidden ? Math.max(pause, Math.min(HIDDEN_MS_MAX, everyMs * HIDDEN_FACTOR)) : pause;
}
