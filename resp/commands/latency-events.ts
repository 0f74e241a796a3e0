// LATENCY: when something took at least as long as --latency-monitor-threshold, by kind of event.
//
//   command         a command that may take long was answered
//   fast-command    up to 64 of the other commands were answered, one after the other
//   datanode-wait   a command waited for datanodes, or for other work outside of the event loop

export type LatencyEvent = 'command' | 'fast-command' | 'datanode-wait';

/** The longest event of one second. */
interface LatencySample {
  readonly unixSeconds: number;
  readonly milliseconds: number;
}

/** As in Redis. */
const SAMPLES_MAX = 160;

/** The latest samples of one kind of event. */
export interface LatencySeries {
  /** The oldest first; at least one, at most 160. */
  readonly samples: readonly LatencySample[];
  /** Of all events since the start or the last reset. */
  readonly worstMs: number;
}

interface OwnSeries extends LatencySeries {
  readonly samples: LatencySample[];
  worstMs: number;
}

export class LatencyEvents {
  readonly #series = new Map<string, OwnSeries>();

  add(event: LatencyEvent, unixSeconds: number, milliseconds: number): void {
    const series = this.#series.get(event) ?? { samples: [], worstMs: 0 };
    this.#series.set(event, series);
    const { samples } = series;
    series.worstMs = Math.max(series.worstMs, milliseconds);
    const last = samples.at(-1);
    if (last?.unixSeconds === unixSeconds) {
      if (milliseconds > last.milliseconds)
        samples[samples.length - 1] = { unixSeconds, milliseconds };
      return;
    }
    samples.push({ unixSeconds, milliseconds });
    if (samples.length > SAMPLES_MAX) samples.shift();
  }

  /** The kinds that have occurred. */
  all(): ReadonlyMap<string, LatencySeries> {
    return this.#series;
  }

  /** Forgets the named kinds, or all if none is named; returns how many had occurred. */
  reset(names: readonly string[]): number {
    const gone = names.length === 0 ? [...this.#series.keys()] : names;
    return gone.filter((name) => this.#series.delete(name)).length;
  }
}
