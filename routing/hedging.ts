// Decides when a slow replica is hedged with a second one: after the 95th percentile of recent
// latency, and for at most about one key in ten, so that a cluster that is slow as a whole does not
// receive twice the load (Dean and Barroso, "The Tail at Scale", CACM 2013).
//
// Invariant: keys hedged <= HEDGE_SHARE x keys asked + HEDGE_BURST_MAX.

import { LatencyHistogram } from '../base/process/latency.ts';

const HEDGE_SHARE = 0.1;
const HEDGE_BURST_MAX = 256;
const HEDGE_QUANTILE = 0.95;
const DELAY_MS_MIN = 5;
const DELAY_MS_MAX = 100;
/** The weight of older answers is halved after this many answers. */
const HALVE_EVERY = 2048;
/** An answer later than this many hedge delays is overdue. */
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

  /** Time in milliseconds after which a second replica is asked, budget permitting. */
  delayMs(): number {
    const p95Ms = this.#latency.quantileMs(HEDGE_QUANTILE);
    return Math.min(DELAY_MS_MAX, Math.max(DELAY_MS_MIN, p95Ms));
  }

  /**
   * Time in milliseconds after which a replica counts as failed and the next one is asked, without
   * the budget.
   */
  overdueMs(): number {
    return Math.min(this.#overdueMsMax, Math.max(OVERDUE_MS_MIN, OVERDUE_FACTOR * this.delayMs()));
  }

  /** Records the latency of an answer that no other replica beat. */
  record(latencyMs: number): void {
    this.#latency.record(latencyMs);
  }

  /** Adds the share of one newly submitted key to the budget. */
  earn(): void {
    if (this.#tokens < HEDGE_BURST_MAX) this.#tokens += HEDGE_SHARE;
  }

  /** Takes one hedge from the budget. Returns false if the budget is spent. */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
