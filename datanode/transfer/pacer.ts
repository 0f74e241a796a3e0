// One rate for all transfers of a kind, as the last order says.

import type { Clock } from '../../base/clock.ts';

export class Pacer {
  /** 0: unlimited. */
  bytesPerSecondMax = 0;
  readonly #nowMs: Clock;
  #paidAtMs = 0;

  constructor(nowMs: Clock) {
    this.#nowMs = nowMs;
  }

  /** Notes bytes that have moved; returns how many ms the next should wait. */
  take(byteCount: number): number {
    if (this.bytesPerSecondMax <= 0) return 0;
    const nowMs = this.#nowMs();
    const costMs = (byteCount / this.bytesPerSecondMax) * 1000;
    this.#paidAtMs = Math.max(this.#paidAtMs, nowMs) + costMs;
    return this.#paidAtMs - nowMs;
  }
}
