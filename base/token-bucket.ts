// A rate that is kept on average, with a short burst allowed. Pure: the clock comes in.
//
//     tokens   filled at the rate, up to the burst; taken ahead of time they are a debt, and who takes
//              them waits until it is paid. So who comes first goes first, and no one is kept waiting
//              for more than what was taken before him.

/** Not safe to share between threads. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  /** `perSecond` and `burst` are above zero; the bucket is full at `nowMs`. */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes `count` tokens; returns for how long the caller must wait before it uses them. */
  take(count: number, nowMs: number): number {
    // A clock that went back fills nothing.
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#filledAtMs = Math.max(this.#filledAtMs, nowMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsedMs * this.#perMs) - count;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }
}
