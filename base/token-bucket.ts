// A token bucket: a sustained rate with a short burst. Pure: time is an argument.
//
// Tokens fill at the rate, up to the burst. `take` may drive the balance negative; its caller then
// waits until the balance is back at zero. So callers are served in order, and each waits only for
// what was taken before and by itself.

/** Not safe to share between threads. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  /** `perSecond` and `burst` must be positive. The bucket is full at `nowMs`. */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /**
   * Takes `count` tokens. Returns the time in milliseconds that the caller must wait before it uses
   * them.
   */
  take(count: number, nowMs: number): number {
    // A clock that went back adds no tokens.
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#filledAtMs = Math.max(this.#filledAtMs, nowMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsedMs * this.#perMs) - count;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }
}
