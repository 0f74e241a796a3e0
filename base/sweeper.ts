// A repeated check for what is overdue that does not take a pause of this process for silence of its peers.
//
//   timers            poll                          check
//   timeout ────────▶ what has arrived is read ───▶ sweep
//
// The check runs after the I/O of its turn. A tick that comes late means that this process stood still
// (garbage collection, SIGSTOP, a long turn): it is skipped, because one turn may not be enough to read all
// that has arrived in the meantime.
//
// Invariant: of two ticks in a row at most one is skipped, so a process that is always busy sweeps, too.

import { setImmediate } from 'node:timers';
import { monotonicNowMs } from './clock.ts';
import type { Clock } from './clock.ts';

/** A tick that is late by more than this is skipped. */
const STALL_MS = 100;

export interface SweeperOptions {
  readonly intervalMs: number;
  /** Returns false when there is nothing left to watch: `ensure` begins anew. */
  readonly sweep: (nowMs: number) => boolean;
  /** Called in the place of `sweep` when this process stood still. */
  readonly onStall?: (nowMs: number) => void;
  readonly nowMs?: Clock;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #nowMs: Clock;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #dueAtMs = 0;
  #skipped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? monotonicNowMs;
  }

  /** Sweeps from now on, until `sweep` returns false or `stop` is called. Cheap when it does already. */
  ensure(): void {
    if (this.#timer === undefined) this.#plan();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
  }

  #plan(): void {
    this.#dueAtMs = this.#nowMs() + this.#options.intervalMs;
    this.#timer = setTimeout(() => {
      this.#immediate = setImmediate(() => this.#tick());
    }, this.#options.intervalMs);
  }

  #tick(): void {
    const nowMs = this.#nowMs();
    const isLate = nowMs - this.#dueAtMs > STALL_MS;
    this.#skipped = isLate && !this.#skipped;
    if (this.#skipped) this.#options.onStall?.(nowMs);
    const goesOn = this.#skipped || this.#options.sweep(nowMs);
    if (this.#timer === undefined) return;
    if (goesOn) this.#plan();
    else this.#timer = undefined;
  }
}
