// The report of `stele bench`.

import { formatBytes } from '../../base/units.ts';
import { formatCount } from '../text-table.ts';
import type { LoadResult } from './load-run.ts';

/** Beyond this share of its time a process that sends is likely to be the bottleneck itself. */
const BUSY_MAX = 0.9;
const QUANTILES = [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['p99_9', 0.999],
  ['p99_99', 0.9999],
] as const;

export interface BenchReport {
  readonly target: string;
  readonly keyspace: string | null;
  readonly keys: number;
  readonly connections: number;
  readonly pipeline: number;
  /** Reads a second that were asked for; null: as many as possible. */
  readonly rate: number | null;
  readonly seconds: number;
  readonly reads: number;
  readonly readsPerSecond: number;
  readonly hits: number;
  readonly misses: number;
  readonly errors: readonly { readonly error: string; readonly count: number }[];
  readonly changed: number;
  readonly unsent: number;
  readonly valueBytesPerSecond: number;
  readonly latencyMs: Readonly<Record<string, number>>;
  /** The share of its time in which this process was busy, 0 to 1. */
  readonly busy: number;
}

export type BenchFacts = Pick<
  BenchReport,
  'target' | 'keyspace' | 'keys' | 'connections' | 'pipeline' | 'rate' | 'busy'
>;

export function reportOf(result: LoadResult, facts: BenchFacts): BenchReport {
  const { changed, errors, hits, latency, misses, spanMs, unsent, valueBytes } = result;
  const perSecond = (count: number): number =>
    spanMs === 0 ? 0 : Math.round((count * 1000) / spanMs);
  const quantiles = QUANTILES.map(([name, share]) => [name, rounded(latency.quantileMs(share))]);
  return {
    ...facts,
    busy: rounded(facts.busy),
    seconds: rounded(spanMs / 1000),
    reads: hits + misses,
    readsPerSecond: perSecond(hits + misses),
    hits,
    misses,
    errors: Array.from(errors, ([error, count]) => ({ error, count })),
    changed,
    unsent,
    valueBytesPerSecond: perSecond(valueBytes),
    latencyMs: {
      min: rounded(latency.minMs),
      mean: rounded(latency.meanMs),
      ...(Object.fromEntries(quantiles) as Record<string, number>),
      max: rounded(latency.maxMs),
    },
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export function formatBench(report: BenchReport): string {
  const { busy, changed, errors, latencyMs, rate, unsent } = report;
  const asked = rate === null ? 'as fast as possible' : `at ${formatCount(rate)} reads/s`;
  const latency = Object.entries(latencyMs).map(
    ([name, value]) => `${name.replace('_', '.')} ${value.toFixed(3)}`,
  );
  const notes = [
    ...errors.map(({ count, error }) => `errors    ${formatCount(count)}: ${error}`),
    ...(changed === 0
      ? []
      : [
          `changed   ${formatCount(changed)} answers differ from earlier ones for the same key: another version, or a fault`,
        ]),
    ...(unsent === 0
      ? []
      : [
          `unsent    ${formatCount(unsent)} reads were due and never sent: the rate cannot be kept up`,
        ]),
    ...(busy > BUSY_MAX
      ? [
          `busy      this process was busy ${Math.round(busy * 100)}% of the time, so it may be the limit; run several`,
        ]
      : []),
  ];
  return [
    `target    ${report.target}${report.keyspace === null ? '' : `, keyspace ${report.keyspace}`}, ${formatCount(report.keys)} keys`,
    `load      ${asked}, ${report.connections} connections, ${report.pipeline} reads in flight on each, ${report.seconds} s`,
    `reads     ${formatCount(report.reads)}, ${formatCount(report.readsPerSecond)}/s, ${formatBytes(report.valueBytesPerSecond)}/s of values`,
    `found     ${formatCount(report.hits)}, not found ${formatCount(report.misses)}`,
    `latency   ms: ${latency.join(', ')}`,
    ...notes,
  ].join('\n');
}
