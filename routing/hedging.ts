// When a slow replica is helped by a second one: after the 95th percentile of recent latency, and
// for at most about one key in ten, so that a cluster that is slow as a whole is not asked twice as
// much (Dean and Barroso, "The Tail at Scale", CACM 2013).
//
// Invariant: keys hedged <= HEDGE_SHARE x keys asked + HEDGE_BURST_MAX.

import { LatencyHistogram } from '../base/latency.ts';

const HEDGE_SHARE = 0.1;
const HEDGE_BURST_MAX = 256;
const HEDGE_QUANTILE = 0.95;
const DELAY_MS_MIN = 5;
const DELAY_MS_MAX = 100;
/** After this many answers the older ones count half. */
const HALVE_EVERY = 2048;
/** An answer slower than this many hedge delays is no longer waited for alone. */
const OVERDUE_FACTOR = 4;
const OVERDUE_MS_MIN = 100;
const OVERDUE_DEADLINE_SHARE = 0.25;

export class HedgePolicy {
  readonly #latency = new LatencyHistogram(HALVE_EVERY);
  readonly #overdueMsMax: number;
  #tokens = HEDGE_BURST_MAX;

  constructor(deadlineMs: number) {
    this.#overdueMsMax = Math.max(DELAY_MS_MIN, deadlineMs * OVERDUE_DEADLINE_SHARE);
  }

  /** How long a replica may take before a second one is asked within the budget. */
  delayMs(): number {
    const p95Ms = this.#latency.quantileMs(HEDGE_QUANTILE);
    return Math.min(DELAY_MS_MAX, Math.max(DELAY_MS_MIN, p95Ms));
  }

  /** How long it may take before it counts as failed: the next one is asked, budget or not. */
  overdueMs(): number {
    return Math.min(this.#overdueMsMax, Math.max(OVERDUE_MS_MIN, OVERDUE_FACTOR * this.delayMs()));
  }

  /** An answer that was waited for took this long. */
  record(latencyMs: number): void {
    this.#latency.record(latencyMs);
  }

  /** A key was asked for the first time. */
  earn(): void {
    if (this.#tokens < HEDGE_BURST_MAX) this.#tokens += HEDGE_SHARE;
  }

  /** Whether one more key may be hedged now. */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
