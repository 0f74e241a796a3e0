// How long commands took, by command: LATENCY HISTOGRAM and INFO latencystats.
//
// Four buckets per doubling, from 1 us to 1 s, so percentiles are within 25%. A command gets its
// counts when it runs first.

import { COMMAND_SPECS } from './command-spec.ts';
import type { CommandSpec } from './command-spec.ts';

/** The time that Redis ends with, too. */
const MICROSECONDS_MAX = 1_000_000;
/** As in Redis, the lowest bound is 1,024 ns: four units of the buckets. */
const MICROSECONDS_PER_UNIT = 0.256;
const PER_DOUBLING = 4;
const BUCKETS = bucketOf(MICROSECONDS_MAX) + 1;

export class CommandHistograms {
  /** By command id. */
  readonly #counts: (Float64Array | undefined)[] = COMMAND_SPECS.map(() => undefined);

  /** Counts `count` commands that took `microseconds` each. */
  record(id: number, microseconds: number, count: number): void {
    const counts = this.#counts[id] ?? (this.#counts[id] = new Float64Array(BUCKETS));
    const bucket = bucketOf(microseconds);
    counts[bucket] = (counts[bucket] as number) + count;
  }

  /** The commands that have run. */
  recorded(): CommandSpec[] {
    return COMMAND_SPECS.filter(({ id }) => this.#counts[id] !== undefined);
  }

  /**
   * Pairs of a bound in microseconds and the number of calls up to it, without those that add
   * nothing. The bounds are powers of two, named as Redis does: 1, 2, 4, 8, 16, 33, 66, 132 ...
   */
  cumulative({ id }: CommandSpec): [boundUs: number, calls: number][] {
    const counts = this.#counts[id] ?? [];
    const pairs: [number, number][] = [];
    let calls = 0;
    let before = 0;
    for (let bucket = 0; bucket < counts.length; bucket++) {
      calls += counts[bucket] ?? 0;
      const isDoubling = (bucket + 1) % PER_DOUBLING === 0 || bucket === BUCKETS - 1;
      if (!isDoubling || calls === before) continue;
      pairs.push([redisBoundUs(Math.floor(bucket / PER_DOUBLING)), calls]);
      before = calls;
    }
    return pairs;
  }

  /**
   * The time within which `share` (0 .. 1) of the calls of a command were answered, in
   * microseconds.
   */
  percentileUs({ id }: CommandSpec, share: number): number {
    const counts = this.#counts[id] ?? new Float64Array();
    let left = counts.reduce((sum, count) => sum + count, 0) * share;
    const bucket = counts.findIndex((count) => (left -= count) <= 0);
    return boundUs(bucket < 0 ? BUCKETS - 1 : bucket);
  }

  reset(): void {
    this.#counts.fill(undefined);
  }
}

/**
 * Buckets 0 to 7 have a unit each; then there are four for each doubling, each of the same width.
 */
function bucketOf(microseconds: number): number {
  const units = Math.ceil(Math.min(microseconds, MICROSECONDS_MAX) / MICROSECONDS_PER_UNIT) - 1;
  if (units < 2 * PER_DOUBLING) return Math.max(0, units);
  const doubling = 29 - Math.clz32(units);
  return doubling * PER_DOUBLING + (units >> doubling);
}

/** The highest time in a bucket. */
function boundUs(bucket: number): number {
  const next = bucket + 1;
  if (next < 2 * PER_DOUBLING) return next * MICROSECONDS_PER_UNIT;
  const doubling = Math.floor(next / PER_DOUBLING) - 1;
  return ((next % PER_DOUBLING) + PER_DOUBLING) * 2 ** doubling * MICROSECONDS_PER_UNIT;
}

/** Redis prints the highest time that its histogram of two digits does not tell from the bound. */
function redisBoundUs(doubling: number): number {
  return Math.floor((1024 * 2 ** doubling * (1 + 1 / 128) - 1) / 1000);
}
