// The read counters of a datanode, for /metrics, INFO and the heartbeats.
//
// Hot: plain numbers. The time is taken once per turn or batch; each of its keys counts as one read
// of that duration.

import { LatencyHistogram } from '../../base/process/latency.ts';

/** Shorter spans are too noisy. */
const SPAN_MS_MIN = 500;

export class ReadCounters {
  /** Keys looked up, by whatever protocol. */
  lookups = 0;
  /** Keys that RESP clients found, and did not find. */
  hits = 0;
  misses = 0;
  /** Latency by protocol. */
  readonly latency = {
    resp: new LatencyHistogram(),
    lookups: new LatencyHistogram(),
    grpc: new LatencyHistogram(),
  };
}

/** The keys looked up per second, as the heartbeats report it to the master. */
export class LookupRate {
  readonly #lookups: () => number;
  #perSecond = 0;
  #fromMs: number;
  #fromLookups = 0;

  /** `lookups` returns the number of keys so far. */
  constructor(lookups: () => number, nowMs: number) {
    this.#lookups = lookups;
    this.#fromMs = nowMs;
  }

  /**
   * Keys per second since the previous call. Calls less than half a second apart return the same
   * value.
   */
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
