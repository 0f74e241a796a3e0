// The metrics of one process in Prometheus' text format, the same way for every role.
//
// Hot paths only add to plain numbers; a metric reads them when somebody scrapes. Names follow Prometheus'
// conventions: a metric whose name ends with `_total` is a counter, every other one a gauge.

import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { STELE_VERSION } from './build-version.ts';
import { lostLogLines } from './log-sink.ts';

/** One series of a metric: its labels and its value. */
export type Series = readonly [labels: Readonly<Record<string, string>>, value: number];

export class MetricSet {
  readonly #registry = new Registry();

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
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** A metric without labels. `read` is called at each scrape. */
  value(name: string, help: string, read: () => number): void {
    this.series(name, help, [], () => [[{}, read()]]);
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
