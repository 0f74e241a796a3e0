// Work that others must not wait for: at the lowest priority, and in short strokes.
//
// Priority alone does not do it. On Linux a thread that has got a core keeps it until the next tick of
// the scheduler (4 ms at 250 Hz) whoever wakes up meanwhile, and each waking thread in turn loses that
// much. One that sleeps gives its core up at once.

import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { monotonicNowMs } from './clock.ts';

const STROKE_MS = 0.3;
const PAUSE_MS = 0.1;
const THREADS = '/proc/self/task';

/** The whole process, with the threads that the engine has started by now; later ones inherit it. */
export function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
    if (process.platform !== 'linux') return;
    for (const thread of readdirSync(THREADS)) {
      setPriority(Number(thread), constants.priority.PRIORITY_LOW);
    }
  } catch {
    // Not allowed here, or a thread has just ended; then it competes like any other process.
  }
}

/** The calling thread alone, where the system can do that (Linux). */
export function giveWayInThread(niceness: number = constants.priority.PRIORITY_LOW): void {
  // Elsewhere this would be the priority of the whole process.
  if (process.platform === 'linux') setPriority(0, niceness);
}

/** For a worker thread's long loop: `rest` between its steps. */
export class Strokes {
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  #endsAtMs = monotonicNowMs() + STROKE_MS;

  /** Sleeps a moment when the stroke has been long enough. Blocks the thread. */
  rest(): void {
    if (monotonicNowMs() < this.#endsAtMs) return;
    Atomics.wait(this.#never, 0, 0, PAUSE_MS);
    this.#endsAtMs = monotonicNowMs() + STROKE_MS;
  }
}
