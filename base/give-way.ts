// Work that others must not wait for: at the lowest priority, and in short strokes.
//
// Priority alone does not do it. On Linux a thread that has got a core keeps it until the next tick of
// the scheduler (4 ms at 250 Hz) whoever wakes up meanwhile, and each waking thread in turn loses that
// much. One that sleeps gives its core up at once.

import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { monotonicNowMs } from './clock.ts';
import type { Clock } from './clock.ts';

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
  readonly #now: Clock;
  readonly #sleep: (ms: number) => void;
  #endsAtMs: number;

  /** `sleep` blocks the thread. */
  constructor(now: Clock = monotonicNowMs, sleep = sleepInThread) {
    this.#now = now;
    this.#sleep = sleep;
    this.#endsAtMs = now() + STROKE_MS;
  }

  /** Sleeps a moment when the stroke has been long enough. */
  rest(): void {
    if (this.#now() < this.#endsAtMs) return;
    this.#sleep(PAUSE_MS);
    this.#endsAtMs = this.#now() + STROKE_MS;
  }
}

const never = new Int32Array(new SharedArrayBuffer(4));

function sleepInThread(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
