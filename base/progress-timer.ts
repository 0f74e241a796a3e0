// The deadline of one request: it ends after a silence, and after a time that grows with its bytes.

import type { Cancel, Time } from './clock.ts';
import { SteleError } from './errors.ts';
import { unwatchAbort, watchAbort } from './abort.ts';

const TIME_MS_MIN = 60_000;
/** The slowest rate that is accepted over a whole request. */
const BYTES_PER_MS_MIN = 16;

/** Its signal aborts with DEADLINE_EXCEEDED, or CANCELLED with the outer one. `end` must be called. */
export class ProgressTimer {
  readonly #controller = new AbortController();
  readonly #time: Time;
  readonly #idleMs: number;
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#fail(cancelled());
  #cancelIdle: Cancel = () => undefined;
  #cancelTotal: Cancel = () => undefined;
  #endsAtMs: number;

  /** `byteCount` undefined: any number, so that only a silence ends it. */
  constructor(
    time: Time,
    idleMs: number,
    byteCount: number | undefined,
    outer: AbortSignal | undefined,
  ) {
    this.#time = time;
    this.#idleMs = idleMs;
    this.#outer = outer;
    const totalMs = TIME_MS_MIN + (byteCount ?? Infinity) / BYTES_PER_MS_MIN;
    this.#endsAtMs = time.nowMs() + totalMs;
    if (outer?.aborted === true) this.#fail(cancelled());
    else if (outer !== undefined) watchAbort(outer, this.#onAbort);
    this.#startTotal();
    this.progressed(0);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Notes progress; `pauseMs`: silence of our own that follows. */
  progressed(pauseMs: number): void {
    this.#cancelIdle();
    this.#cancelIdle = this.#time.after(this.#idleMs + pauseMs, () =>
      this.#fail(overdue(`nothing moved for ${this.#idleMs / 1000} s`)),
    );
    if (pauseMs === 0) return;
    this.#endsAtMs += pauseMs;
    this.#startTotal();
  }

  end(): void {
    this.#cancelIdle();
    this.#cancelTotal();
    if (this.#outer !== undefined) unwatchAbort(this.#outer, this.#onAbort);
  }

  #startTotal(): void {
    this.#cancelTotal();
    if (this.#endsAtMs === Infinity) return;
    this.#cancelTotal = this.#time.after(this.#endsAtMs - this.#time.nowMs(), () =>
      this.#fail(overdue('it took too long for its bytes')),
    );
  }

  #fail(error: SteleError): void {
    this.#controller.abort(error);
  }
}

function overdue(why: string): SteleError {
  return new SteleError('DEADLINE_EXCEEDED', `The server did not answer in time: ${why}.`);
}

export function cancelled(): SteleError {
  return new SteleError('CANCELLED', 'The call was cancelled.');
}
