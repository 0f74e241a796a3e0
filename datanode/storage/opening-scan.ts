// What a datanode does first: verify every segment file it finds, hold the good, quarantine the bad.
//
// Data above the memory limit is left on disk and told: a limit that was lowered must not end the process.
//
// The node is INITIALIZING meanwhile and tells how far it has come. A file of a format that this
// release cannot read is left where it is: an older or newer release may read it.

import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Holdings } from './holdings.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { readSegmentFile } from './store.ts';
import type { DiskStore, SegmentFile } from './store.ts';
import type { Verifier } from './verifier.ts';

/** Files read and verified at a time. */
const PARALLEL = 4;

export class OpeningScan {
  readonly #store: DiskStore;
  readonly #verifier: Verifier;
  readonly #holdings: Holdings;
  readonly #memory: MemoryBudget;
  readonly #log: Logger;
  #bytesDone = 0;
  #bytesTotal = 0;
  #quarantined = 0;
  #notLoaded = 0;
  #done = false;
  #stopped = false;

  constructor(options: {
    readonly store: DiskStore;
    readonly verifier: Verifier;
    readonly holdings: Holdings;
    readonly memory: MemoryBudget;
    readonly log: Logger;
  }) {
    this.#store = options.store;
    this.#verifier = options.verifier;
    this.#holdings = options.holdings;
    this.#memory = options.memory;
    this.#log = options.log;
  }

  get done(): boolean {
    return this.#done;
  }

  get bytesDone(): number {
    return this.#bytesDone;
  }

  get bytesTotal(): number {
    return this.#bytesTotal;
  }

  /** Segments that were left on disk because they are above the memory limit. */
  get notLoadedTotal(): number {
    return this.#notLoaded;
  }

  get quarantinedTotal(): number {
    return this.#quarantined;
  }

  /** Resolves when every file has been looked at. One bad file never stops the others. */
  async run(): Promise<void> {
    const files = await this.#store.list();
    this.#bytesTotal = files.reduce((sum, file) => sum + file.byteLength, 0);
    const queue = files[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (const file of queue) {
        if (this.#stopped) return;
        await this.#open(file);
        this.#bytesDone += file.byteLength;
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    this.#done = !this.#stopped;
    this.#log.info(
      {
        segments: this.#holdings.count,
        bytes: this.#bytesDone,
        quarantined: this.#quarantined,
        notLoaded: this.#notLoaded,
      },
      'segments verified',
    );
  }

  stop(): void {
    this.#stopped = true;
  }

  async #open(file: SegmentFile): Promise<void> {
    let release: (() => void) | undefined;
    try {
      // Of a suspended keyspace nothing stays in memory.
      if (!this.#holdings.isParking(file.keyspaceUid)) {
        release = this.#memory.reserve(file.byteLength);
      }
      const bytes = await readSegmentFile(file.path);
      const segment = await this.#verifier.verify(bytes, file);
      this.#holdings.add(file.keyspaceUid, file.segmentId, segment);
    } catch (thrown) {
      const error = toSteleError(thrown, 'IO');
      if (error.code === 'MEMORY_LIMIT') {
        if (this.#notLoaded++ === 0) {
          const text = `segments are left on disk and not served: ${error.message}`;
          this.#log.error({ file: file.path, code: error.code }, text);
        }
        return;
      }
      this.#log.error({ file: file.path, code: error.code, err: error.message }, 'bad segment');
      if (error.code === 'CORRUPT') await this.#quarantine(file, error);
    } finally {
      release?.();
    }
  }

  async #quarantine(file: SegmentFile, reason: SteleError): Promise<void> {
    this.#quarantined++;
    try {
      await this.#store.quarantine(file);
    } catch (thrown) {
      this.#log.error({ file: file.path, reason: reason.message, err: thrown }, 'not quarantined');
    }
  }
}
