// Reads that go on while a test breaks something, through one source or several in turn, and what
// became of them (read-attempt.ts says when a read has failed). Either so many reads are always in
// flight (`lanes`), or they begin at a fixed rate (`readsPerSecond`): then a slow or failing
// cluster is not asked less.
//
// The reader shares one thread with its clients. While that thread itself was stalled (the machine
// was busy, or the test was stopped), times say nothing about the cluster: such reads are left out
// and counted as `spoilt`. A wrong or a missing value counts always.

import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom } from '../inputs/rows.ts';
import type { VersionedRows } from '../inputs/rows.ts';
import { until } from '../process/stele-process.ts';
import { ReadWindow } from './read-window.ts';
import type { Sample } from './read-window.ts';
import { readOnce } from './read-attempt.ts';
import type { Source, Values } from './read-attempt.ts';

export interface ReaderOptions {
  /** What is read; every value tells which key and version it is of. */
  readonly rows: Pick<VersionedRows, 'count' | 'key' | 'versionOf'>;
  /**
   * What every value must be of. Absent: all values of a read are of one version, whichever it is.
   */
  readonly version?: number;
  /** The keys, in place of all those of `rows`. */
  readonly keys?: { readonly count: number; at(index: number): string };
  readonly seed: number;
  readonly keysPerRead?: number;
  /** Reads in flight at a time; two by default. */
  readonly lanes?: number;
  /**
   * Between two reads of a lane; 0 for as many reads as there can be. Without a rest the readers
   * take the processor from what they watch, and from every other test.
   */
  readonly restMs?: number;
  /** In place of lanes: over all sources together. */
  readonly readsPerSecond?: number;
  /** What a read has in all, retries included; one second by default. */
  readonly budgetMs?: number;
  /** False: the first error of a read is its failure. */
  readonly retries?: boolean;
}

const LANES_DEFAULT = 2;
const REST_MS_DEFAULT = 3;
const TICK_MS = 5;
/** A tick that comes so late means that this process stalled. */
const STALL_MS = 200;

/** Reads until it is stopped, and counts. */
export interface RunningReader {
  readonly reads: number;
  readonly failures: readonly string[];
  /** Resolves when `count` more reads have ended, `deadlineMs` at most. */
  progress(count: number, deadlineMs?: number): Promise<void>;
  stop(): Promise<void>;
  report(): string;
}

export class Reader implements RunningReader {
  reads = 0;
  readonly failures: string[] = [];
  readonly #sources: readonly Source[];
  readonly #options: ReaderOptions;
  readonly #random: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #lanes: Promise<void>[];
  readonly #inFlight = new Set<Promise<void>>();
  #window: ReadWindow | undefined;
  #retries = 0;
  #spoilt = 0;
  #slowestMs = 0;
  #stalls = 0;
  #tickMs = performance.now();
  #owed = 0;
  #nextSource = 0;
  #stopped = false;

  constructor(sources: readonly Source[], options: ReaderOptions) {
    this.#sources = sources;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    const lanes = options.readsPerSecond === undefined ? (options.lanes ?? LANES_DEFAULT) : 0;
    this.#lanes = Array.from({ length: lanes }, () => this.#lane());
  }

  /** Begins a window, and ends the one before. Call it right before the fault. */
  begin(): ReadWindow {
    this.#window = new ReadWindow(performance.now());
    return this.#window;
  }

  async progress(count: number, deadlineMs = 60_000): Promise<void> {
    const target = this.reads + count;
    await until(`${count} reads by ${this.#name}`, () => this.reads >= target, deadlineMs);
  }

  /** Resolves when the reads that have begun are over. */
  async drained(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    clearInterval(this.#timer);
    await this.drained();
    for (const source of this.#sources) await source.close();
  }

  report(): string {
    const leftOut = this.#spoilt === 0 ? '' : `, ${this.#spoilt} left out`;
    return `${this.#name}: ${this.reads} reads, ${this.failures.length} failed${leftOut}, ${this.#retries} retries, slowest ${Math.round(this.#slowestMs)} ms`;
  }

  get #name(): string {
    return this.#sources.map(({ name }) => name).join(', ');
  }

  async #lane(): Promise<void> {
    const { restMs = REST_MS_DEFAULT } = this.#options;
    while (!this.#stopped) {
      await this.#begin();
      if (restMs > 0) await pause(restMs);
    }
  }

  #tick(): void {
    const nowMs = performance.now();
    const sinceMs = nowMs - this.#tickMs;
    this.#tickMs = nowMs;
    if (sinceMs > STALL_MS) this.#stalls++;
    const { readsPerSecond = 0 } = this.#options;
    if (this.#stopped || readsPerSecond === 0) return;
    // What could not be asked while this process was stalled is not made up for.
    this.#owed += (Math.min(sinceMs, 4 * TICK_MS) * readsPerSecond) / 1000;
    for (; this.#owed >= 1; this.#owed--) void this.#begin();
  }

  /** Resolves when the read is over; never rejects. */
  #begin(): Promise<void> {
    const { keysPerRead = 1, rows } = this.#options;
    const all = this.#options.keys ?? { count: rows.count, at: (index) => rows.key(index) };
    const keys = Array.from({ length: keysPerRead }, () =>
      all.at(Math.floor(this.#random() * all.count)),
    );
    const source = this.#sources[this.#nextSource++ % this.#sources.length] as Source;
    const read = this.#read(source, keys).finally(() => this.#inFlight.delete(read));
    this.#inFlight.add(read);
    return read;
  }

  #problemOf(keys: readonly string[], values: Values): string | undefined {
    const { rows, version } = this.#options;
    const versions = new Set(keys.map((key, at) => rows.versionOf(key, values[at])));
    if (versions.has(0)) return `a value is wrong or missing: ${values.slice(0, 3).join(', ')}`;
    const found = `version ${[...versions].join(' and ')}`;
    if (versions.size > 1) return `${found} in one batch`;
    return version === undefined || versions.has(version) ? undefined : `${found}, not ${version}`;
  }

  /** A read counts in the window that it began in. */
  async #read(source: Source, keys: readonly string[]): Promise<void> {
    const { budgetMs, retries: mayRetry } = this.#options;
    const check = (values: Values): string | undefined => this.#problemOf(keys, values);
    const stallsBefore = this.#stalls;
    const window = this.#window;
    const startedMs = performance.now();
    const { problem, retries, wrong } = await readOnce(source, keys, check, { budgetMs, mayRetry });
    const sample: Sample = {
      source: source.name,
      startedMs,
      tookMs: performance.now() - startedMs,
      retries,
      problem: problem === undefined ? undefined : `${source.name} ${keys[0]}: ${problem}`,
    };
    this.reads++;
    this.#retries += retries;
    this.#slowestMs = Math.max(this.#slowestMs, sample.tookMs);
    // The tick that would tell of a stall may be due after this.
    const stalled = this.#stalls !== stallsBefore || performance.now() - this.#tickMs > STALL_MS;
    if (stalled && !wrong) {
      this.#spoilt++;
      window?.leaveOut();
    } else {
      window?.add(sample);
      if (sample.problem !== undefined) this.failures.push(sample.problem);
    }
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
