// Clients that read all the time while a test breaks something, and count what went wrong
// (read-attempt.ts says what that is).

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
  readonly seed: number;
}

const REST_MS_DEFAULT = 3;

export class ContinuousReader {
  readonly source: Source;
  reads = 0;
  retries = 0;
  slowestMs = 0;
  readonly failures: string[] = [];
  readonly #options: ReaderOptions;
  readonly #random: () => number;
  readonly #lanes: Promise<void>[];
  #stopped = false;

  constructor(source: Source, options: ReaderOptions) {
    this.source = source;
    this.#options = options;
    this.#random = seededRandom(options.seed);
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
    await this.source.close();
  }

  report(): string {
    const { reads, retries, slowestMs, failures } = this;
    return `${this.source.name}: ${reads} reads, ${failures.length} failed, ${retries} retries, slowest ${Math.round(slowestMs)} ms`;
  }

  async #lane(): Promise<void> {
    const { restMs = REST_MS_DEFAULT } = this.#options;
    while (!this.#stopped) {
      const startMs = performance.now();
      const keys = this.#someKeys();
      const { problem, retries } = await readOnce(this.source, keys, this.#options.check);
      if (problem !== undefined) this.failures.push(`${keys[0]}: ${problem}`);
      this.retries += retries;
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs);
      this.reads++;
      if (restMs > 0) await pause(restMs);
    }
  }

  #someKeys(): string[] {
    const { keysPerRead = 1, keyCount } = this.#options;
    const one = (): string => this.#options.keyAt(Math.floor(this.#random() * keyCount));
    return Array.from({ length: keysPerRead }, one);
  }
}

/** Stops all; throws, with every reader's report, unless no read failed and each read something. */
export async function stopWithoutFailures(readers: readonly ContinuousReader[]): Promise<void> {
  await Promise.all(readers.map((reader) => reader.stop()));
  for (const reader of readers) console.log(`  ${reader.report()}`);
  const bad = readers.filter((reader) => reader.failures.length > 0 || reader.reads === 0);
  if (bad.length === 0) return;
  const details = bad.map((reader) =>
    [reader.report(), ...reader.failures.slice(0, 5)].join('\n    '),
  );
  throw new Error(`reads failed:\n  ${details.join('\n  ')}`);
}
