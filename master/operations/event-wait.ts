// A wait for the next event of the catalog.

import type { Time } from '../../base/clock.ts';
import type { Catalog } from '../catalog/catalog.ts';

/** Resolves at the next event, after `waitMs`, or when `signal` aborts. */
export function waitForEvent(
  catalog: Pick<Catalog, 'onEvent'>,
  waitMs: number,
  time: Time,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      unsubscribe();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = time.after(waitMs, end);
    const unsubscribe = catalog.onEvent(end);
    if (signal?.aborted === true) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}
