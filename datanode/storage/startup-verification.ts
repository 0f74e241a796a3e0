// Startup verification: a starting datanode opens every segment file it finds, holds the good ones
// and quarantines the bad ones. Of large data only header, index and checksums are read
// (open-segment.ts), so that it serves within seconds, whatever the tier:
//
//     tier memory   opened on disk, and moved into memory while it is served (tiers.ts); read at once if
//                   all of this tier is so little that this is faster
//     tier disk     opened on disk
//     suspended     opened on disk, and parked
//
// A file of which it is not known that it passed the full check is read and checked in full first.
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
import type { Holdings, Tier } from './holdings.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { openOnDisk } from './open-segment.ts';
import type { SegmentFile } from './segment-files.ts';
import type { DiskStore } from './store.ts';
import type { Verifier } from './verifier.ts';

/** Files read and verified in parallel. */
const PARALLEL = 4;
/** So much of the memory tier is read in less time than the threads take to start that would read it from disk. */
const READ_AT_ONCE_BYTES_MAX = 64 * 1024 ** 2;

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
  readonly #readAtOnceBytesMax: number;
  #isReadAtOnce = false;
  #done = false;
  #stopped = false;
  readonly #nowMs: () => number;

  constructor(options: {
    readonly store: DiskStore;
    readonly verifier: Verifier;
    readonly holdings: Holdings;
    readonly memory: MemoryBudget;
    readonly source: BlockSource;
    /** Up to how many bytes the memory tier is read before it is served. */
    readonly readAtOnceBytesMax?: number | undefined;
    readonly log: Logger;
    readonly env: Pick<Env, 'nowMs'>;
  }) {
    this.#store = options.store;
    this.#verifier = options.verifier;
    this.#holdings = options.holdings;
    this.#memory = options.memory;
    this.#source = options.source;
    this.#readAtOnceBytesMax = options.readAtOnceBytesMax ?? READ_AT_ONCE_BYTES_MAX;
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

  /** Segments of which not even the index was read, because of the memory limit. */
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
    const ofMemory = files.filter((file) => this.#holdings.tierOf(file.keyspaceUid) === 'memory');
    const memoryBytes = ofMemory.reduce((sum, file) => sum + file.byteLength, 0);
    this.#isReadAtOnce = memoryBytes <= this.#readAtOnceBytesMax;
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
    try {
      const tier = this.#holdings.tierOf(file.keyspaceUid);
      const isRead =
        this.#isReadAtOnce && tier === 'memory' && this.#memory.hasRoom(file.byteLength);
      if (isRead) await this.#read(file);
      else await this.#openOnDisk(file, tier);
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
    }
  }

  /** Reads a segment into memory. */
  async #read(file: SegmentFile): Promise<void> {
    const { keyspaceUid, segmentId } = file;
    const release = this.#memory.reserve(file.byteLength);
    try {
      this.#holdings.add(keyspaceUid, segmentId, await this.#verifier.verifyFile(file));
    } finally {
      release();
    }
  }

  async #openOnDisk(file: SegmentFile, tier: Tier): Promise<void> {
    const { keyspaceUid, segmentId } = file;
    const parts = { source: this.#source, store: this.#store, verifier: this.#verifier };
    // Of a suspended keyspace nothing stays in memory.
    const memory = tier === 'none' ? undefined : this.#memory;
    const segment = await openOnDisk(file, { ...parts, memory }, tier === 'memory');
    this.#holdings.add(keyspaceUid, segmentId, segment);
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
