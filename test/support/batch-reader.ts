// Lanes of getMany that run all the time while a test breaks something. No read is tried again: what
// the client does not settle by itself is a failure, and so is a batch of more than one version.

import { setTimeout as pause } from 'node:timers/promises';
import type { SteleClient } from '../../client/stele-client.ts';
import { seededRandom } from './rows.ts';
import type { VersionedRows } from './rows.ts';
import { until } from './stele-process.ts';

/** Between two reads of a lane: readers must not take the processor from what they watch. */
const REST_MS = 3;

export interface BatchReaderOptions {
  readonly client: SteleClient;
  readonly keyspace: string;
  readonly rows: VersionedRows;
  readonly keysPerRead: number;
  readonly lanes: number;
  readonly seed: number;
}

export class BatchReader {
  reads = 0;
  readonly failures: string[] = [];
  readonly versions = new Set<number>();
  /** Since the last `restartClock`. */
  latenciesMs: number[] = [];
  readonly #options: BatchReaderOptions;
  readonly #random: () => number;
  readonly #lanes: Promise<void>[];
  #stopped = false;

  constructor(options: BatchReaderOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#lanes = Array.from({ length: options.lanes }, () => this.#lane());
  }

  /** Resolves when `count` more reads have ended. */
  async progress(count: number): Promise<void> {
    const target = this.reads + count;
    await until(`${count} reads`, () => this.reads >= target, 60_000);
  }

  restartClock(): void {
    this.latenciesMs = [];
  }

  quantileMs(quantile: number): number {
    const sorted = this.latenciesMs.toSorted((left, right) => left - right);
    return sorted[Math.floor(sorted.length * quantile)] ?? 0;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #lane(): Promise<void> {
    const { keysPerRead, rows } = this.#options;
    while (!this.#stopped) {
      const keys = Array.from({ length: keysPerRead }, () =>
        rows.key(Math.floor(this.#random() * rows.count)),
      );
      const startMs = performance.now();
      const wrong = await this.#read(keys);
      this.latenciesMs.push(performance.now() - startMs);
      if (wrong !== undefined) this.failures.push(wrong);
      this.reads++;
      await pause(REST_MS);
    }
  }

  async #read(keys: readonly string[]): Promise<string | undefined> {
    const { client, keyspace, rows } = this.#options;
    try {
      const { values, version } = await client.getMany(keyspace, keys);
      this.versions.add(version);
      const found = new Set(keys.map((key, index) => rows.versionOf(key, values[index])));
      if (found.size === 1 && found.has(version)) return undefined;
      return `version ${version}, but values of ${[...found].join(', ')} (0: wrong or missing)`;
    } catch (thrown) {
      return String(thrown);
    }
  }
}
