// What one run of a simulated process has from its machine: base/env.ts over the simulated clock,
// disk and chance.

import type { Env } from '../../../base/env.ts';
import type { Cancel } from '../../../base/clock.ts';
import type { Files } from '../../../base/disk/files.ts';
import type { SimClock, SimProcess } from './clock.ts';
import type { SimRandom } from './random.ts';

/** When simulations begin, Unix time. */
export const BEGIN_UNIX_MS = Date.UTC(2026, 0, 1);

/** Of the present life of `process`: what it has planned dies with that. */
export function envOf(process: SimProcess, clock: SimClock, random: SimRandom, files: Files): Env {
  const { life } = process;
  const plan = (delayMs: number, callback: () => void): Cancel => {
    // Timers of an earlier run of the process have no effect.
    if (process.life !== life) return () => undefined;
    return clock.after(delayMs, process, callback);
  };
  return {
    nowMs: () => clock.nowMs,
    unixMs: () => BEGIN_UNIX_MS + clock.nowMs,
    after: (delayMs, callback) => plan(Math.max(1, delayMs), callback),
    soon: (callback) => plan(0, callback),
    randomId: () => random.id(),
    files,
  };
}
