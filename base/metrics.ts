// The metrics of one process in Prometheus' text format, the same way for every role.
//
// Hot paths only add to plain numbers; a metric reads them when somebody scrapes. Names follow Prometheus'
// conventions: a metric whose name ends with `_total` is a counter, every other one a gauge.

import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { STELE_VERSION } from './build-version.ts';
import { lostLogLines } from './log-sink.ts';

type Labels = Readonly<Record<string, string>>;

/** One series of a metric: its labels and its value. */
export type Series = readonly [labels: Labels, value: number];

/** Times as a histogram holds them. */
interface TimeCounts {
  readonly total: number;
  readonly sumMs: number;
  /** Samples at most as long. */
  countUpTo(boundMs: number): number;
}

/** Times by label values. */
type TimeSeries = readonly [labels: Labels, counts: TimeCounts];

export class MetricSet {
  readonly #registry = new Registry();
  readonly #histograms: (() => string)[] = [];

  /** Has the usual metrics of a Node.js process (`process_...`, `nodejs_...`) and of every role. */
  constructor(role: 'master' | 'datanode') {
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

  /** Everything in Prometheus' text format. */
  async text(): Promise<string> {
    const text = await this.#registry.metrics();
    return [text, ...this.#histograms.map((write) => write())].join('');
  }

  /** A metric without labels. `read` is called at each scrape. */
  value(name: string, help: string, read: () => number): void {
    this.series(name, help, [], () => [[{}, read()]]);
  }

  /** A histogram of seconds. `boundsMs`: of its buckets, ascending. `read` is called at each scrape. */
  times(
    name: string,
    help: string,
    boundsMs: readonly number[],
    read: () => Iterable<TimeSeries>,
  ): void {
    // prom-client cannot take a histogram's counts over, so it is written here.
    this.#histograms.push(() => histogramText(name, help, boundsMs, read()));
  }

  /** A metric with labels: `read` gives all its series at each scrape; those it leaves out are gone. */
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
        const series = await read();
        metric.reset();
        for (const [labels, value] of series) metric.inc(labels, value);
      },
    });
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
