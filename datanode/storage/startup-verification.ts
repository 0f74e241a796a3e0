// Startup verification: a starting datanode verifies every segment file it finds, holds the good
// ones and quarantines the bad ones. Of the disk tier only index and checksums are read
// (open-segment.ts), so that a large one serves within seconds.
//
// Data above the memory limit stays on disk and is reported: lowering the limit must not end the
// process.
//
// Meanwhile the node is INITIALIZING and reports its progress. A file of a format that this release
// cannot read is left in place: an older or newer release may read it.

import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Env } from '../../base/env.ts';
import type { Logger } from '../../base/log.ts';
import { shardNamedBy } from '../../base/segment-name.ts';
import type { BlockSource } from '../disk/block-source.ts';
import type { Holdings, ReadableSegment } from './holdings.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { openOnDisk } from './open-segment.ts';
import type { SegmentFile } from './segment-files.ts';
import type { DiskStore } from './store.ts';
import type { Verifier } from './verifier.ts';

/** Files read and verified in parallel. */
const PARALLEL = 4;

export class StartupVerification {
  readonly #store: DiskStore;
  readonly #verifier: Verifier;
  readonly #holdings: Holdings;
  readonly #memory: MemoryBudget;
  readonly #source: BlockSource;
  readonly #log: Logger;
  #bytesDone = 0;
  #bytesTotal = 0;
  #quarantined = 0;
  #notLoaded = 0;
  #done = false;
  #stopped = false;
  readonly #nowMs: () => number;

  constructor(options: {
    readonly store: DiskStore;
    readonly verifier: Verifier;
    readonly holdings: Holdings;
    readonly memory: MemoryBudget;
    readonly source: BlockSource;
    readonly log: Logger;
    readonly env: Pick<Env, 'nowMs'>;
  }) {
    this.#store = options.store;
    this.#verifier = options.verifier;
    this.#holdings = options.holdings;
    this.#memory = options.memory;
    this.#source = options.source;
    this.#log = options.log;
    this.#nowMs = () => options.env.nowMs();
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

  /** Segments that were left on disk because of the memory limit. */
  get notLoadedTotal(): number {
    return this.#notLoaded;
  }

  get quarantinedTotal(): number {
    return this.#quarantined;
  }

  /** Resolves when every file has been checked. A bad file does not stop the others. */
  async run(): Promise<void> {
    const startMs = this.#nowMs();
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
        tookMs: Math.round(this.#nowMs() - startMs),
      },
      'segments verified',
    );
  }

  stop(): void {
    this.#stopped = true;
  }

  async #open(file: SegmentFile): Promise<void> {
    let release: (() => void) | undefined;
    const tier = this.#holdings.tierOf(file.keyspaceUid);
    try {
      // A segment of a suspended keyspace does not stay in memory.
      if (tier === 'memory') release = this.#memory.reserve(file.byteLength);
      const segment =
        tier === 'disk' ? await this.#openOnDisk(file) : await this.#verifier.verifyFile(file);
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
      const about = { keyspace: file.keyspaceUid, shard: shardNamedBy(file.segmentId) };
      const why = { file: file.path, code: error.code, err: error.message };
      this.#log.error({ ...about, ...why }, 'bad segment');
      if (error.code === 'CORRUPT') await this.#quarantine(file, error);
    } finally {
      release?.();
    }
  }

  #openOnDisk(file: SegmentFile): Promise<ReadableSegment> {
    const parts = { memory: this.#memory, source: this.#source, store: this.#store };
    return openOnDisk(file, { ...parts, verifier: this.#verifier });
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
