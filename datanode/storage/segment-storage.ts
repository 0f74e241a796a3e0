// Everything that keeps segments on this node, put together: which are held, in memory or on disk,
// the memory that they take, and how they get there at a start.

import type { BackgroundTasks } from '../../base/background.ts';
import type { Env } from '../../base/env.ts';
import type { Logger } from '../../base/log.ts';
import { usableCores } from '../../base/process/usable-cores.ts';
import type { BlockSource } from '../disk/block-source.ts';
import { DamagedSegments } from './damaged-segments.ts';
import { Holdings } from './holdings.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { Overhead } from './memory-budget.ts';
import type { MoveOrder } from './move-queue.ts';
import { StartupVerification } from './startup-verification.ts';
import type { DiskStore } from './store.ts';
import { Tiers } from './tiers.ts';
import { Verifier } from './verifier.ts';

export interface SegmentStorageOptions {
  readonly store: DiskStore;
  readonly source: BlockSource;
  /** What the process may take of memory, */
  readonly memoryMaxBytes: number;
  /** and what it takes of that beside data. Default: nothing, because others account for it. */
  readonly overhead?: Overhead | undefined;
  /** As for StartupVerification. */
  readonly readAtOnceBytesMax?: number | undefined;
  /** Whether readers are being answered, so that verification pauses. */
  readonly hasReaders: () => boolean;
  readonly order: MoveOrder;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env: Env;
}

export class SegmentStorage {
  readonly holdings = new Holdings();
  readonly memory: MemoryBudget;
  readonly verifier: Verifier;
  readonly damaged: DamagedSegments;
  readonly tiers: Tiers;
  readonly startup: StartupVerification;
  readonly #startupVerifier: Verifier;

  constructor(options: SegmentStorageOptions) {
    const { env, hasReaders, memoryMaxBytes, overhead, store } = options;
    const { holdings } = this;
    const { verified } = store;
    const cores = usableCores();
    this.memory = new MemoryBudget(holdings, memoryMaxBytes, undefined, overhead);
    const kept = { threadsKept: 1, threadsMax: cores - 1 };
    this.verifier = new Verifier({ verified, ...kept, hasReaders, env });
    this.#startupVerifier = new Verifier({ verified, threadsKept: 0, threadsMax: cores, env });
    holdings.onChange((held) => {
      if (!holdings.has(held.keyspaceUid, held.segmentId)) verified.forget(held);
    });
    const { memory, verifier } = this;
    const parts = { ...options, holdings, memory };
    this.damaged = new DamagedSegments(parts);
    this.tiers = new Tiers({ ...parts, verifier, damaged: this.damaged });
    this.startup = new StartupVerification({ ...parts, verifier: this.#startupVerifier });
  }

  /** Holds what is on disk, and begins to move it where its tier wants it. */
  async open(): Promise<void> {
    await this.tiers.open();
    await this.startup.run();
    await this.#startupVerifier.close();
    this.verifier.warmUp();
    if (this.startup.done) this.tiers.warm();
  }

  /** Segments taken out of service, or not held at the start, because they were found corrupt. */
  get quarantinedTotal(): number {
    return this.startup.quarantinedTotal + this.damaged.total;
  }

  /** Segments that are not in memory because of the memory limit, although they should be. */
  get notLoadedTotal(): number {
    return this.startup.notLoadedTotal + this.tiers.leftOnDiskTotal;
  }

  /** Ends what moves segments. Nothing can be read from disk afterwards. */
  stop(): void {
    this.tiers.close();
    this.startup.stop();
    this.holdings.closeFiles();
  }

  async close(): Promise<void> {
    await this.#startupVerifier.close();
    await this.verifier.close();
  }
}
