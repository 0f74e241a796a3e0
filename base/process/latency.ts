// Latencies as counts in buckets that grow by a quarter octave: constant memory, one increment per
// sample, quantiles within 19%.
//
//   bucket i holds latencies up to 0.05 ms x 2^(i/4); the last one is everything above (~3.3 s)
//
// Two uses: all counts since the start (metrics), and recent counts, which are halved each time
// enough samples have come in, so that old ones fade (when to hedge).

const BUCKET_COUNT = 65;
const FIRST_BOUND_MS = 0.05;
const BUCKETS_PER_DOUBLING = 4;

const BOUNDS_MS = Float64Array.from(
  { length: BUCKET_COUNT },
  (_, index) => FIRST_BOUND_MS * 2 ** (index / BUCKETS_PER_DOUBLING),
);

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKET_COUNT);
  readonly #halveEvery: number;
  #sinceHalved = 0;
  #total = 0;
  #sumMs = 0;

  /** All counts are halved every `halveEvery` samples; 0: never. */
  constructor(halveEvery = 0) {
    this.#halveEvery = halveEvery;
  }

  /** Number of samples; faded ones count in part. */
  get total(): number {
    return this.#total;
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  /** Records `count` samples of the same latency. */
  record(latencyMs: number, count = 1): void {
    const index = bucketOf(latencyMs);
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
    this.#total += count;
    this.#sumMs += latencyMs * count;
    if (this.#halveEvery === 0) return;
    this.#sinceHalved += count;
    if (this.#sinceHalved >= this.#halveEvery) this.#halve();
  }

  /** As `latencyQuantileMs`, of all samples. */
  quantileMs(quantile: number): number {
    return latencyQuantileMs(this.#counts, quantile, this.#total);
  }

  /** Adds the samples to those in `counts`, by bucket. */
  addTo(counts: number[]): void {
    for (const [index, count] of this.#counts.entries()) {
      counts[index] = (counts[index] ?? 0) + count;
    }
  }

  /**
   * Number of samples up to `boundMs`, which should be one of `exportedBoundsMs` or
   * `coarseBoundsMs`.
   */
  countUpTo(boundMs: number): number {
    let count = 0;
    for (let index = 0; index < BUCKET_COUNT; index++) {
      if ((BOUNDS_MS[index] ?? 0) > boundMs * 1.001) break;
      count += this.#counts[index] ?? 0;
    }
    return count;
  }

  #halve(): void {
    this.#sinceHalved = 0;
    this.#total /= 2;
    this.#sumMs /= 2;
    for (let index = 0; index < BUCKET_COUNT; index++) {
      this.#counts[index] = (this.#counts[index] ?? 0) / 2;
    }
  }
}

/**
 * The upper bound of the bucket below which `quantile` (0 .. 1) of the samples in `counts` lie; 0
 * without samples. `total` is the sum of `counts`, for callers that know it.
 */
export function latencyQuantileMs(
  counts: ArrayLike<number>,
  quantile: number,
  total = Array.from(counts).reduce((sum, count) => sum + count, 0),
): number {
  let left = total * quantile;
  if (left === 0) return 0;
  for (let index = 0; index < BUCKET_COUNT; index++) {
    left -= counts[index] ?? 0;
    if (left <= 0) return BOUNDS_MS[index] ?? 0;
  }
  return BOUNDS_MS[BUCKET_COUNT - 1] ?? 0;
}

/** The bounds that are exported to Prometheus: two per doubling, 0.05 ms to 2.3 s. */
export const exportedBoundsMs = boundsPerDoubling(2);
/** One per doubling, 0.05 ms to 1.6 s: for what needs less detail. */
export const coarseBoundsMs = boundsPerDoubling(1);

/** Without that of the last bucket, which also has all that is longer. */
function boundsPerDoubling(count: number): readonly number[] {
  const every = BUCKETS_PER_DOUBLING / count;
  return [...BOUNDS_MS].filter((_, index) => index % every === 0 && index < BUCKET_COUNT - 1);
}

function bucketOf(latencyMs: number): number {
  if (latencyMs <= FIRST_BOUND_MS) return 0;
  const index = Math.ceil(Math.log2(latencyMs / FIRST_BOUND_MS) * BUCKETS_PER_DOUBLING);
  return index < BUCKET_COUNT ? index : BUCKET_COUNT - 1;
}
