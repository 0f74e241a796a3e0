// Latencies as counts in buckets of equal relative width, as in an HDR histogram
// (http://hdrhistogram.org): any quantile within 0.8 %, from 1 microsecond to 19 hours, in constant
// memory.
//
//   microseconds   0 .. 255        one bucket each
//                  256 .. 511      128 buckets of 2
//                  512 .. 1023     128 buckets of 4 ...

const SUB_BUCKETS = 128;
const SUB_BITS = 7;
/** Values up to here have a bucket each. */
const EXACT = 2 * SUB_BUCKETS;
const DOUBLINGS = 28;
const BUCKET_COUNT = EXACT + DOUBLINGS * SUB_BUCKETS;

export class LatencyCounts {
  readonly #counts = new Float64Array(BUCKET_COUNT);
  #total = 0;
  #sumMs = 0;
  #maxMs = 0;
  #minMs = Infinity;

  get total(): number {
    return this.#total;
  }

  get minMs(): number {
    return this.#total === 0 ? 0 : this.#minMs;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  get meanMs(): number {
    return this.#total === 0 ? 0 : this.#sumMs / this.#total;
  }

  record(latencyMs: number): void {
    const index = bucketOf(Math.max(0, Math.round(latencyMs * 1000)));
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total++;
    this.#sumMs += latencyMs;
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs;
    if (latencyMs < this.#minMs) this.#minMs = latencyMs;
  }

  /**
   * The largest latency of the bucket in which the quantile (0 to 1) lies; never above the maximum.
   */
  quantileMs(quantile: number): number {
    let left = Math.ceil(this.#total * quantile);
    if (left === 0) return this.minMs;
    for (let index = 0; index < BUCKET_COUNT; index++) {
      left -= this.#counts[index] ?? 0;
      if (left <= 0) return Math.min(this.#maxMs, highestOf(index) / 1000);
    }
    return this.#maxMs;
  }
}

function bucketOf(micros: number): number {
  if (micros < EXACT) return micros;
  const doubling = Math.floor(Math.log2(micros)) - SUB_BITS;
  const index =
    EXACT + (doubling - 1) * SUB_BUCKETS + Math.floor(micros / 2 ** doubling) - SUB_BUCKETS;
  return Math.min(BUCKET_COUNT - 1, index);
}

/** The largest number of microseconds that a bucket counts. */
function highestOf(index: number): number {
  if (index < EXACT) return index;
  const doubling = Math.floor((index - EXACT) / SUB_BUCKETS) + 1;
  const sub = ((index - EXACT) % SUB_BUCKETS) + SUB_BUCKETS;
  return (sub + 1) * 2 ** doubling - 1;
}
