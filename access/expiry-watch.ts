// Tells when some of many times have come, so that what they end is looked at again.

/** The wall clock may be set while a timer runs, so none runs for longer. */
const SLEEP_MS_MAX = 60_000;

export class ExpiryWatch {
  readonly #onExpired: () => void;
  /** Ascending; those that have come are dropped. */
  #timesMs: readonly number[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `onExpired` is called at most once for each time. */
  constructor(onExpired: () => void) {
    this.#onExpired = onExpired;
  }

  /** Watches these times, Unix time in ms, in place of those before; 0 never comes. */
  watch(timesMs: readonly number[]): void {
    const nowMs = Date.now();
    this.#timesMs = timesMs.filter((timeMs) => timeMs > nowMs).sort((left, right) => left - right);
    this.#sleep(nowMs);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #sleep(nowMs: number): void {
    clearTimeout(this.#timer);
    const [next] = this.#timesMs;
    if (next === undefined) return;
    this.#timer = setTimeout(() => this.#wake(), Math.min(next - nowMs, SLEEP_MS_MAX)).unref();
  }

  #wake(): void {
    const nowMs = Date.now();
    const left = this.#timesMs.filter((timeMs) => timeMs > nowMs);
    const hasExpired = left.length < this.#timesMs.length;
    this.#timesMs = left;
    this.#sleep(nowMs);
    if (hasExpired) this.#onExpired();
  }
}
