// Traces of reads that caches are compared by.

/** Reads of records 0, 1, 2 ... in order. */
export interface Trace {
  readonly name: string;
  readonly reads: Int32Array;
  /** Whether the hits of a read count. */
  isCounted(at: number): boolean;
}

const EXPONENT = 0.99;
/** Reads that only fill the cache. */
const WARM_PART = 0.2;
const HOT_SETS = 5;

/** Traces of `count` reads (and more for a scan) of `records` records. The same ones at every call. */
export function tracesOf(records: number, count: number): Trace[] {
  const ranks = zipf(records, count);
  const isWarm = (at: number): boolean => at >= count * WARM_PART;
  const moved = ranks.map((rank, at) => {
    const hotSet = Math.floor((at * HOT_SETS) / count);
    return (rank + Math.floor((hotSet * records) / HOT_SETS)) % records;
  });
  return [
    { name: 'zipf', reads: ranks, isCounted: isWarm },
    withScan(ranks, records),
    { name: `zipf, of ${HOT_SETS} hot sets in turn`, reads: moved, isCounted: isWarm },
  ];
}

/**
 * From the end of the warm part on, each read is followed by one of the next record, until all were
 * read once. Only the others count.
 */
function withScan(ranks: Int32Array, records: number): Trace {
  const begin = Math.floor(ranks.length * WARM_PART);
  const scanned = Math.min(records, ranks.length - begin);
  const reads = new Int32Array(ranks.length + scanned);
  reads.set(ranks.subarray(0, begin));
  for (let at = 0; at < scanned; at++) {
    reads[begin + 2 * at] = ranks[begin + at] as number;
    reads[begin + 2 * at + 1] = at;
  }
  reads.set(ranks.subarray(begin + scanned), begin + 2 * scanned);
  const isCounted = (at: number): boolean =>
    at >= begin && (at >= begin + 2 * scanned || (at - begin) % 2 === 0);
  return { name: 'zipf, and a scan of all', reads, isCounted };
}

/** Ranks with a probability of about 1 / rank^0.99, from 0 on. */
function zipf(records: number, count: number): Int32Array {
  const sums = new Float64Array(records);
  let sum = 0;
  for (let rank = 0; rank < records; rank++) sums[rank] = sum += (rank + 1) ** -EXPONENT;
  const random = randomOf(7);
  return Int32Array.from({ length: count }, () => firstAbove(sums, random() * sum));
}

function firstAbove(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Mulberry32: uniform in [0, 1). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
