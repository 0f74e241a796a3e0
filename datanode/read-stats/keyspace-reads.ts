// The reads of one keyspace on this node, by whatever protocol, and a sample of its keys.
//
// Hot: plain numbers, one countdown per key.

import { HotKeys } from './hot-keys.ts';

/** One read in so many is sampled, on average. The distance varies, as reads may be periodic. */
const READS_PER_SAMPLE = 512;
/** The first reads are sampled more often, so that there are so many samples soon. */
const FIRST_SAMPLES = 64;
/** The rate is an average over about this time. */
const RATE_SPAN_MS = 10_000;

export class KeyspaceReads {
  hits = 0;
  misses = 0;
  /** Of the values that were found. */
  valueBytes = 0;
  /** Reads until the next sample. */
  untilSample = 1;
  readonly hotKeys = new HotKeys();
  #ratePerSecond = 0;
  #fromReads = 0;
  #fromMs: number | undefined;

  /** Samples a read of bytes[start, end); to be called when `untilSample` is 0. */
  sample(bytes: Uint8Array, start: number, end: number, valueBytes: number | undefined): void {
    const mean = Math.min(READS_PER_SAMPLE, (this.hits + this.misses) / FIRST_SAMPLES);
    this.untilSample = 1 + Math.floor(Math.random() * 2 * mean);
    this.hotKeys.add(bytes, start, end, valueBytes);
  }

  /** Reads per second lately. To be called regularly. */
  ratePerSecond(nowMs: number): number {
    const reads = this.hits + this.misses;
    const spanMs = nowMs - (this.#fromMs ?? nowMs);
    if (this.#fromMs === undefined || spanMs >= RATE_SPAN_MS / 10) {
      const weight = 1 - Math.exp(-spanMs / RATE_SPAN_MS);
      const now = spanMs === 0 ? 0 : ((reads - this.#fromReads) * 1000) / spanMs;
      this.#ratePerSecond += (now - this.#ratePerSecond) * weight;
      this.#fromReads = reads;
      this.#fromMs = nowMs;
    }
    return this.#ratePerSecond;
  }
}
