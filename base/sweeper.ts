// A repeated check for overdue work that does not mistake a stall of this process for silence of
// its peers.
//
//   timers            poll                          check
//   timeout ────────▶ received data is read ──────▶ sweep
//
// The check runs after the I/O of its event-loop tick. A late timer means that this process stalled
// (garbage collection, SIGSTOP, a long tick). That sweep is skipped, because one event-loop tick
// may not be enough to read all that has arrived in the meantime.
//
// Invariant: of two successive sweeps at most one is skipped, so a process that is always busy
// sweeps, too.

import { systemTime } from './clock.ts';
import type { Cancel, Time } from './clock.ts';

/** A sweep that is late by more than this is skipped. */
const STALL_MS = 100;

export interface SweeperOptions {
  readonly intervalMs: number;
  /** Returns false if there is nothing left to watch; `ensure` starts it again. */
  readonly sweep: (nowMs: number) => boolean;
  /** Called instead of `sweep` after a stall of this process. */
  readonly onStall?: (nowMs: number) => void;
  readonly time?: Time;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #time: Time;
  /** Cancels the next sweep. */
  #cancel: Cancel | undefined;
  #dueAtMs = 0;
  #skipped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#time = options.time ?? systemTime;
  }

  /**
   * Sweeps from now on, until `sweep` returns false or `stop` is called. Cheap if already running.
   */
  ensure(): void {
    if (this.#cancel === undefined) this.#plan();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #plan(): void {
    const { intervalMs } = this.#options;
    this.#dueAtMs = this.#time.nowMs() + intervalMs;
    this.#cancel = this.#time.after(intervalMs, () => {
      this.#cancel = this.#time.soon(() => this.#tick());
    });
  }

  #tick(): void {
    const nowMs = this.#time.nowMs();
    const isLate = nowMs - this.#dueAtMs > STALL_MS;
    this.#skipped = isLate && !this.#skipped;
    if (this.#skipped) this.#options.onStall?.(nowMs);
    const goesOn = this.#skipped || this.#options.sweep(nowMs);
    if (this.#cancel === undefined) return;
    if (goesOn) this.#plan();
    else this.#cancel = undefined;
  }
}
