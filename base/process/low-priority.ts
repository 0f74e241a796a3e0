// Work in the background of others: at the lowest priority, and in short time slices.
//
// Priority alone is not enough. On Linux, a thread that has a core keeps it until the next
// scheduler tick (4 ms at 250 Hz) whichever thread wakes up meanwhile, and each waking thread loses
// that much. A thread that sleeps yields its core at once.

import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { monotonicNowMs } from '../clock.ts';
import type { Clock } from '../clock.ts';

const SLICE_MS = 0.3;
const SLEEP_MS = 0.1;
const THREADS = '/proc/self/task';

/**
 * Lowers the priority of the whole process, including threads that the engine has already started.
 * Later threads inherit it.
 */
export function lowerPriority(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
    if (process.platform !== 'linux') return;
    for (const thread of readdirSync(THREADS)) {
      setPriority(Number(thread), constants.priority.PRIORITY_LOW);
    }
  } catch {
    // Not permitted, or a thread has just ended. The process then competes like any other.
  }
}

/** Lowers the priority of the calling thread, on Linux only. */
export function lowerThreadPriority(niceness: number = constants.priority.PRIORITY_LOW): void {
  // Elsewhere this would set the priority of the whole process.
  if (process.platform === 'linux') setPriority(0, niceness);
}

/** Cooperative yielding for a long loop of a worker thread: call `yieldIfDue` between its steps. */
export class CooperativeYield {
  readonly #now: Clock;
  readonly #sleep: (ms: number) => void;
  #endsAtMs: number;

  /** `sleep` blocks the thread. */
  constructor(now: Clock = monotonicNowMs, sleep = sleepInThread) {
    this.#now = now;
    this.#sleep = sleep;
    this.#endsAtMs = now() + SLICE_MS;
  }

  /** Sleeps briefly if the current time slice is over. */
  yieldIfDue(): void {
    if (this.#now() < this.#endsAtMs) return;
    this.#sleep(SLEEP_MS);
    this.#endsAtMs = this.#now() + SLICE_MS;
  }
}

const never = new Int32Array(new SharedArrayBuffer(4));

function sleepInThread(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
