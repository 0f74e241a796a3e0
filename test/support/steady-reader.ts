// Reads at a fixed rate over several doors at once, whatever becomes of the answers: a slow or failing
// cluster is not asked less (read-attempt.ts says when a read has failed).
//
// A read counts in the window that it began in. The reader shares one thread with its clients: while
// that thread itself stood still (this machine was busy, or the test was stopped), times say nothing about the cluster.
// Such reads are left out and counted as `spoilt`; a wrong or a missing value counts always.

import { readOnce } from './read-attempt.ts';
import type { Check, Source } from './read-attempt.ts';
import { seededRandom } from './rows.ts';
import { until } from './stele-process.ts';

const TICK_MS = 5;
/** A tick that comes so late means that this process stood still. */
const STALL_MS = 200;
/** A read that was tried again, or took longer than this, noticed the fault. */
const DISTURBED_MS = 250;
const FAILURES_KEPT_MAX = 20;

export interface SteadyReaderOptions {
  readonly sources: readonly Source[];
  readonly keyCount: number;
  keyAt(index: number): string;
  readonly check: Check;
  readonly seed: number;
  /** Over all doors together. */
  readonly readsPerSecond?: number;
}

interface Sample {
  readonly door: string;
  readonly startedMs: number;
  readonly tookMs: number;
  readonly retries: number;
}

/** What happened to the reads that began in a stretch of time. */
export interface WindowReport {
  readonly reads: number;
  readonly failed: number;
  readonly retried: number;
  readonly spoilt: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  /** From the beginning of the window to the end of the last read that noticed anything; 0: none did. */
  readonly reroutedMs: number;
  /** By door, how many reads noticed, and the slowest of them. */
  readonly disturbed: string;
  readonly failures: readonly string[];
}

export class SteadyReader {
  readonly #options: SteadyReaderOptions;
  readonly #random: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #inFlight = new Set<Promise<void>>();
  #samples: Sample[] = [];
  #failures: { readonly door: string; readonly text: string }[] = [];
  #spoilt = 0;
  #reads = 0;
  #stalls = 0;
  #tickMs = performance.now();
  #owed = 0;
  #nextDoor = 0;

  constructor(options: SteadyReaderOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Begins a window; what came before is forgotten. Call it right before the fault. */
  begin(): Window {
    this.#samples = [];
    this.#failures = [];
    this.#spoilt = 0;
    const samples = this.#samples;
    const failures = this.#failures;
    return new Window(performance.now(), (doors) => {
      const isMeant = ({ door }: { door: string }): boolean =>
        doors.length === 0 || doors.includes(door);
      return {
        samples: samples.filter(isMeant),
        failures: failures.filter(isMeant).map(({ door, text }) => `${door} ${text}`),
        spoilt: this.#spoilt,
      };
    });
  }

  /** Resolves when `count` more reads have ended, `deadlineMs` at most. */
  async progress(count: number, deadlineMs = 60_000): Promise<void> {
    const target = this.#reads + count;
    await until(`${count} reads`, () => this.#reads >= target, deadlineMs);
  }

  /** Resolves when the reads that have begun are over. */
  async drained(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.drained();
    for (const source of this.#options.sources) await source.close();
  }

  #tick(): void {
    const nowMs = performance.now();
    const sinceMs = nowMs - this.#tickMs;
    this.#tickMs = nowMs;
    if (sinceMs > STALL_MS) this.#stalls++;
    // What could not be asked while this process stood still is not made up for.
    const perMs = (this.#options.readsPerSecond ?? 2000) / 1000;
    this.#owed += Math.min(sinceMs, 4 * TICK_MS) * perMs;
    for (; this.#owed >= 1; this.#owed--) this.#ask();
  }

  #ask(): void {
    const { sources, keyCount } = this.#options;
    const source = sources[this.#nextDoor++ % sources.length];
    if (source === undefined) return;
    const key = this.#options.keyAt(Math.floor(this.#random() * keyCount));
    const read = this.#read(source, key);
    this.#inFlight.add(read);
    void read.finally(() => this.#inFlight.delete(read));
  }

  async #read(source: Source, key: string): Promise<void> {
    const stallsBefore = this.#stalls;
    const samples = this.#samples;
    const failures = this.#failures;
    const startedMs = performance.now();
    const { problem, retries, wrong } = await readOnce(source, [key], this.#options.check);
    const endedMs = performance.now();
    this.#reads++;
    // The tick that would tell of a stall may be due after this.
    const stalled = this.#stalls !== stallsBefore || endedMs - this.#tickMs > STALL_MS;
    if (stalled && !wrong) {
      if (samples === this.#samples) this.#spoilt++;
      return;
    }
    samples.push({ door: source.name, startedMs, tookMs: endedMs - startedMs, retries });
    if (problem !== undefined) failures.push({ door: source.name, text: `${key}: ${problem}` });
  }
}

interface WindowContent {
  readonly samples: readonly Sample[];
  readonly failures: readonly string[];
  readonly spoilt: number;
}

/** A stretch of time that reads are counted in; the next one that begins ends it. */
export class Window {
  readonly startedMs: number;
  readonly #content: (doors: readonly string[]) => WindowContent;

  constructor(startedMs: number, content: (doors: readonly string[]) => WindowContent) {
    this.startedMs = startedMs;
    this.#content = content;
  }

  get elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  /** So far; of these doors, or of all. */
  report(...doors: readonly string[]): WindowReport {
    const { failures, samples, spoilt } = this.#content(doors);
    const tookMs = samples.map((sample) => sample.tookMs).sort((left, right) => left - right);
    const quantileMs = (share: number): number => tookMs[Math.floor(tookMs.length * share)] ?? 0;
    const disturbed = samples.filter(
      (sample) => sample.retries > 0 || sample.tookMs > DISTURBED_MS,
    );
    const lastMs = disturbed.reduce((ms, each) => Math.max(ms, each.startedMs + each.tookMs), 0);
    return {
      disturbed: disturbedByDoor(disturbed),
      reads: samples.length,
      failed: failures.length,
      retried: samples.filter((sample) => sample.retries > 0).length,
      spoilt,
      p50Ms: quantileMs(0.5),
      p90Ms: quantileMs(0.9),
      p99Ms: quantileMs(0.99),
      slowestMs: tookMs.at(-1) ?? 0,
      reroutedMs: lastMs === 0 ? 0 : lastMs - this.startedMs,
      failures: failures.slice(0, FAILURES_KEPT_MAX),
    };
  }
}

function disturbedByDoor(samples: readonly Sample[]): string {
  const doors = new Map<string, { count: number; retries: number; slowestMs: number }>();
  for (const { door, retries, tookMs } of samples) {
    const before = doors.get(door) ?? { count: 0, retries: 0, slowestMs: 0 };
    doors.set(door, {
      count: before.count + 1,
      retries: before.retries + retries,
      slowestMs: Math.max(before.slowestMs, tookMs),
    });
  }
  const each = [...doors].map(
    ([door, { count, retries, slowestMs }]) =>
      `${door}: ${count} reads, ${retries} retries, slowest ${Math.round(slowestMs)} ms`,
  );
  return each.join('; ') || 'none';
}
