// The metrics of one process, the same way for every role (docs/metrics.md lists them all).
//
// Hot paths only add to plain numbers, which are read at each scrape. A scrape blocks readers for
// as long as it takes, so nothing of it may depend on the number of connections, and its text is
// written at once (docs/decisions/0053-metrics.md). Names follow Prometheus' conventions: a metric
// whose name ends with `_total` is a counter, every other one a gauge.

import assert from 'node:assert/strict';
import { SteleError } from '../errors.ts';
import { CONTENT_TYPE, headText, histogramText, seriesText } from './exposition.ts';
import type { Series, TimeSeries } from './exposition.ts';

export type { Series } from './exposition.ts';

type PerhapsLater<Value> = Value | Promise<Value>;

export class MetricSet {
  /** By name: writes the whole metric. */
  readonly #metrics = new Map<string, () => Promise<string>>();
  readonly contentType = CONTENT_TYPE;

  /** All metrics in Prometheus' text format, in the order in which they were added. */
  async text(): Promise<string> {
    const texts = [...this.#metrics.values()].map((write) => write());
    return (await Promise.all(texts)).join('');
  }

  /** Adds a metric without labels. `read` is called at each scrape. */
  value(name: string, help: string, read: () => number): void {
    this.series(name, help, () => [[{}, read()]]);
  }

  /**
   * Adds a metric with labels. `read` returns all series at each scrape; a series that it omits
   * disappears, and so do all of them if it throws UNAVAILABLE.
   */
  series(name: string, help: string, read: () => PerhapsLater<Iterable<Series>>): void {
    const head = headText(name, name.endsWith('_total') ? 'counter' : 'gauge', help);
    this.#add(name, async () => head + seriesText(name, await readable(read)));
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
    const head = headText(name, 'histogram', help);
    this.#add(name, async () => head + histogramText(name, boundsMs, read()));
  }

  #add(name: string, write: () => Promise<string>): void {
    assert(!this.#metrics.has(name), `the metric ${name} is there twice`);
    this.#metrics.set(name, write);
  }
}

async function readable(read: () => PerhapsLater<Iterable<Series>>): Promise<Iterable<Series>> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof SteleError && thrown.code === 'UNAVAILABLE') return [];
    throw thrown;
  }
}
