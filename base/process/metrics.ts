// The metrics of one process in Prometheus' text format, the same way for every role.
//
// Hot paths only add to plain numbers, which are read at each scrape. Names follow Prometheus'
// conventions: a metric whose name ends with `_total` is a counter, every other one a gauge.

import { SteleError } from '../errors.ts';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { STELE_VERSION } from './build-version.ts';
import { lostLogLines } from '../log-sink.ts';

type Labels = Readonly<Record<string, string>>;

/** One series of a metric: its labels and its value. */
export type Series = readonly [labels: Labels, value: number];

/** The counts of a histogram of durations. */
interface TimeCounts {
  readonly total: number;
  readonly sumMs: number;
  /** Number of samples up to `boundMs`. */
  countUpTo(boundMs: number): number;
}

/** A histogram for one set of label values. */
type TimeSeries = readonly [labels: Labels, counts: TimeCounts];

export class MetricSet {
  readonly #registry = new Registry();
  readonly #histograms: (() => string)[] = [];

  /**
   * Registers the usual metrics of a Node.js process (`process_...`, `nodejs_...`) and those of
   * every role.
   */
  constructor(role: 'master' | 'query' | 'datanode') {
    collectDefaultMetrics({ register: this.#registry });
    const build = { version: STELE_VERSION, node_version: process.version, role };
    this.series(
      'stele_build_info',
      '1; the labels say what runs',
      ['version', 'node_version', 'role'],
      () => [[build, 1]],
    );
    this.value('stele_log_lines_lost_total', 'Log lines that could not be written', lostLogLines);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus' text format. */
  async text(): Promise<string> {
    const text = await this.#registry.metrics();
    return [text, ...this.#histograms.map((write) => write())].join('');
  }

  /** Adds a metric without labels. `read` is called at each scrape. */
  value(name: string, help: string, read: () => number): void {
    this.series(name, help, [], () => [[{}, read()]]);
  }

  /**
   * Adds a histogram in seconds. `boundsMs` are its bucket bounds, ascending. `read` is called at
   * each scrape.
   */
  times(
    name: string,
    help: string,
    boundsMs: readonly number[],
    read: () => Iterable<TimeSeries>,
  ): void {
    // prom-client cannot adopt a histogram's counts, so its text is written here.
    this.#histograms.push(() => histogramText(name, help, boundsMs, read()));
  }

  /**
   * Adds a metric with labels. `read` returns all series at each scrape; a series that it omits
   * disappears, and so do all of them if it throws UNAVAILABLE.
   */
  series(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => Iterable<Series> | Promise<Iterable<Series>>,
  ): void {
    const Kind = name.endsWith('_total') ? Counter : Gauge;
    const metric: Counter | Gauge = new Kind({
      registers: [this.#registry],
      name,
      help,
      labelNames: [...labelNames],
      collect: async () => {
        const series = await readable(read);
        // At once with what follows: two scrapes may overlap.
        metric.reset();
        // Without labels, a reset leaves a zero, which would be taken for a value.
        if (labelNames.length === 0) metric.remove();
        for (const [labels, value] of series) metric.inc(labels, value);
      },
    });
  }
}

async function readable(
  read: () => Iterable<Series> | Promise<Iterable<Series>>,
): Promise<Iterable<Series>> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof SteleError && thrown.code === 'UNAVAILABLE') return [];
    throw thrown;
  }
}

function histogramText(
  name: string,
  help: string,
  boundsMs: readonly number[],
  series: Iterable<TimeSeries>,
): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const [labels, counts] of series) {
    const own = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const bucket = (bound: number | string, count: number): void => {
      lines.push(`${name}_bucket{${[...own, `le="${bound}"`].join(',')}} ${count}`);
    };
    for (const boundMs of boundsMs) bucket(boundMs / 1000, counts.countUpTo(boundMs));
    bucket('+Inf', counts.total);
    lines.push(`${name}_sum{${own.join(',')}} ${counts.sumMs / 1000}`);
    lines.push(`${name}_count{${own.join(',')}} ${counts.total}`);
  }
  return `${lines.join('\n')}\n`;
}
