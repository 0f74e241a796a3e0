// How many keys a second are looked up, as the heartbeats tell it to the master.

/** Shorter spans say little. */
const SPAN_MS_MIN = 500;

export class LookupRate {
  readonly #lookups: () => number;
  #perSecond = 0;
  #fromMs: number;
  #fromLookups = 0;

  /** `lookups`: how many so far. */
  constructor(lookups: () => number, nowMs: number) {
    this.#lookups = lookups;
    this.#fromMs = nowMs;
  }

  /** Over the time since it was last asked, half a second at least; before that, as it was then. */
  perSecond(nowMs: number): number {
    const spanMs = nowMs - this.#fromMs;
    if (spanMs < SPAN_MS_MIN) return this.#perSecond;
    const lookups = this.#lookups();
    this.#perSecond = Math.round(((lookups - this.#fromLookups) * 1000) / spanMs);
    this.#fromMs = nowMs;
    this.#fromLookups = lookups;
    return this.#perSecond;
  }
}
