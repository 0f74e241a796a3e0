// A wait for a change that somebody reports.

import type { Time } from '../../base/clock.ts';

/** How a wait ends, at the latest. */
export interface WaitLimits {
  readonly time: Pick<Time, 'after'>;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Resolves when the function passed to `subscribe` is called, after `waitMs`, or when `signal`
 * aborts. `subscribe` returns what ends the subscription, and does not call the function at once.
 */
export function waitForChange(
  subscribe: (wake: () => void) => () => void,
  { signal, time, waitMs }: WaitLimits,
): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      unsubscribe();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = time.after(waitMs, end);
    const unsubscribe = subscribe(end);
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}
