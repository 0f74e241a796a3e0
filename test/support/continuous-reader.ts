// Clients that read all the time while a test breaks something, and count what went wrong
// (read-attempt.ts says what that is). A read that was late while this process itself stood still says nothing:
// it is left out and counted as spoilt. A wrong or a missing value counts always.

import { setTimeout as pause } from 'node:timers/promises';
import { readOnce } from './read-attempt.ts';
import type { Check, Source } from './read-attempt.ts';
import { seededRandom } from './rows.ts';
import { until } from './stele-process.ts';

export interface ReaderOptions {
  readonly keyCount: number;
  keyAt(index: number): string;
  readonly check: Check;
  readonly keysPerRead?: number;
  /** Reads in flight at a time. */
  readonly lanes?: number;
  /**
   * Between two reads of a lane; 0 for as many reads as there can be. Without a rest the readers take the
   * processor from what they watch, and from every other test.
   */
  readonly restMs?: number;
  /** What a read has in all; one second by default. */
  readonly budgetMs?: number;
  readonly seed: number;
}

const REST_MS_DEFAULT = 3;
const TICK_MS = 50;
/** A tick that comes so late means that this process stood still. */
const STALL_MS = 500;

/** Reads until it is stopped, and counts. */
export interface RunningReader {
  readonly reads: number;
  readonly failures: readonly string[];
  /** Resolves when `count` more reads have ended, `deadlineMs` at most. */
  progress(count: number, deadlineMs?: number): Promise<void>;
  stop(): Promise<void>;
  report(): string;
}

export class ContinuousReader implements RunningReader {
  readonly source: Source;
  reads = 0;
  retries = 0;
  slowestMs = 0;
  spoilt = 0;
  readonly failures: string[] = [];
  readonly #options: ReaderOptions;
  readonly #random: () => number;
  readonly #lanes: Promise<void>[];
  readonly #ticking: NodeJS.Timeout;
  #tickMs = performance.now();
  #stalls = 0;
  #stopped = false;

  constructor(source: Source, options: ReaderOptions) {
    this.source = source;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
    this.#lanes = Array.from({ length: options.lanes ?? 2 }, () => this.#lane());
  }

  /** Resolves when `count` more reads have ended. */
  async progress(count: number, deadlineMs = 30_000): Promise<void> {
    const target = this.reads + count;
    await until(`${count} reads by ${this.source.name}`, () => this.reads >= target, deadlineMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    clearInterval(this.#ticking);
    await this.source.close();
  }

  report(): string {
    const { reads, retries, slowestMs, failures, spoilt } = this;
    const leftOut = spoilt === 0 ? '' : `, ${spoilt} left out`;
    return `${this.source.name}: ${reads} reads, ${failures.length} failed${leftOut}, ${retries} retries, slowest ${Math.round(slowestMs)} ms`;
  }

  async #lane(): Promise<void> {
    const { budgetMs, check, restMs = REST_MS_DEFAULT } = this.#options;
    while (!this.#stopped) {
      const startMs = performance.now();
      const stallsBefore = this.#stalls;
      const keys = this.#someKeys();
      const { problem, retries, wrong } = await readOnce(this.source, keys, check, budgetMs);
      // The tick that would tell of a stall may be due after this.
      this.#tick();
      const stalled = this.#stalls !== stallsBefore;
      if (stalled && problem !== undefined && !wrong) this.spoilt++;
      else if (problem !== undefined) this.failures.push(`${keys[0]}: ${problem}`);
      this.retries += retries;
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
      this.reads++;
      if (restMs > 0) await pause(restMs);
    }
  }

  #tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.#tickMs > STALL_MS) this.#stalls++;
    this.#tickMs = nowMs;
  }

  #someKeys(): string[] {
    const { keysPerRead = 1, keyCount } = this.#options;
    const one = (): string => this.#options.keyAt(Math.floor(this.#random() * keyCount));
    return Array.from({ length: keysPerRead }, one);
  }
}

/** Stops all; throws, with every reader's report, unless no read failed and each read something. */
export async function stopWithoutFailures(readers: readonly RunningReader[]): Promise<void> {
  await Promise.all(readers.map((reader) => reader.stop()));
  for (const reader of readers) console.log(`  ${reader.report()}`);
  const bad = readers.filter((reader) => reader.failures.length > 0 || reader.reads === 0);
  if (bad.length === 0) return;
  const details = bad.map((reader) =>
    [reader.report(), ...reader.failures.slice(0, 5)].join('\n    '),
  );
  throw new Error(`reads failed:\n  ${details.join('\n  ')}`);
}
