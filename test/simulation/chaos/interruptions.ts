// A process that is killed or stopped goes on after a while.

import type { Cluster } from '../cluster/cluster.ts';
import type { SimProcess } from '../world/clock.ts';

export function restartLater(
  sim: Cluster,
  process: SimProcess & { start(): void },
  delayMs: number,
): void {
  sim.clock.after(delayMs, undefined, () => {
    if (!process.alive) process.start();
  });
}

/**
 * The process stalls, as if its machine did; afterwards its timers fire before messages are read.
 */
export function pauseFor(sim: Cluster, process: SimProcess, delayMs: number): void {
  if (!process.alive || process.paused) return;
  process.paused = true;
  const { life } = process;
  sim.clock.after(delayMs, undefined, () => {
    if (process.life === life && process.paused) sim.clock.unpause(process);
  });
}
