// The reads of one keyspace on this node, by whatever protocol, and a sample of its keys.
//
// Hot: plain numbers, one countdown per key.

import { HotKeys } from './hot-keys.ts';

/**
 * One read in so many is sampled, on average, or fewer if that would be more than
 * `SAMPLES_PER_SECOND`.
 */
const READS_PER_SAMPLE = 512;
/** A sample takes microseconds, so more would cost more than 0.1% of the time. */
const SAMPLES_PER_SECOND = 100;
/** The first reads are sampled more often, so that there are so many samples soon. */
const FIRST_SAMPLES = 64;
/** The rate is an average over about this time. */
const RATE_SPAN_MS = 10_000;

export class KeyspaceReads {
  hits = 0;
  misses = 0;
  /** Of the values that were found. */
  valueBytes = 0;
  /** Records on disk that the cache had, and those that were read. */
  diskCacheHits = 0;
  diskCacheMisses = 0;
  /** Reads until the next sample. */
  untilSample = 1;
  readonly hotKeys = new HotKeys();
  #ratePerSecond = 0;
  #fromReads = 0;
  #fromMs: number | undefined;

  /** Samples a read of bytes[start, end); to be called when `untilSample` is 0. */
  sample(bytes: Uint8Array, start: number, end: number, valueBytes: number | undefined): void {
    const usual = Math.max(READS_PER_SAMPLE, this.#ratePerSecond / SAMPLES_PER_SECOND);
    const mean = Math.min(usual, (this.hits + this.misses) / FIRST_SAMPLES);
    // The distance varies, as reads may be periodic.
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
