// Moves the segments of a keyspace where its tier wants them: whole in memory, on disk with the index
// in memory, or, while it is suspended, with nothing in memory.
//
//   view: suspended            --> none    mark the folder, free the memory at once; reads are refused
//   view: tier, or resuming    --> memory  read and verify each file, hold it in memory
//                              --> disk    open each file, read index and checksums, free the rest
//
// Segments move one after the other while they are read: each is replaced by itself, so a lookup
// finds it before and after. Those that arrive go where they belong (transfer/intake.ts); if the tier
// changes meanwhile, they move like the others.
//
// While a suspended keyspace resumes, this node still refuses reads: only the master knows when all
// segments are back.
//
// The mark, an empty file in the keyspace's folder, is for the next start: it says where segments are
// put before there is a view. It decides nothing else.
//
// Invariants: a segment is listed among the holdings wherever it is; at most one move of a keyspace
// runs at a time; a file that turns out bad when it is read again is quarantined and no longer
// listed, so that it is fetched from another datanode.

import type { BackgroundTasks } from '../../base/background.ts';
import type { Env } from '../../base/env.ts';
import { toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Parked } from '../../proto/gen/stele/v1/datanode.ts';
import { Tier as ViewTier } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView, KeyspaceView } from '../../proto/gen/stele/v1/view.ts';
import { residentOf } from '../disk/disk-segment.ts';
import type { BlockSource } from '../disk/block-source.ts';
import type { Holdings, Tier } from './holdings.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { openOnDisk } from './open-segment.ts';
import { isDamage } from './segment-files.ts';
import type { DiskStore } from './store.ts';
import type { Verifier } from './verifier.ts';

export interface TiersOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly source: BlockSource;
  readonly verifier: Verifier;
  readonly memory: MemoryBudget;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env: Pick<Env, 'nowMs'>;
}

interface Misplaced {
  readonly segmentId: string;
  readonly byteLength: number;
}

export class Tiers {
  readonly #options: TiersOptions;
  readonly #moving = new Set<string>();
  /** Why the last move of a keyspace failed, by uid. */
  readonly #failures = new Map<string, string>();
  #closed = false;

  constructor(options: TiersOptions) {
    this.#options = options;
    const { holdings } = options;
    holdings.onChange(({ keyspaceUid }) => {
      if (holdings.tierOf(keyspaceUid) !== 'none') this.#move(keyspaceUid);
    });
  }

  /** Reads the marks. Must run before the startup verification, which follows them. */
  async open(): Promise<void> {
    const { holdings, store } = this.#options;
    for (const [uid, tier] of await store.markedTiers()) holdings.setTier(uid, tier);
  }

  /** Follows the view. */
  apply(view: ClusterView): void {
    for (const keyspace of view.keyspaces) {
      const { uid } = keyspace;
      const tier = wantedTier(keyspace);
      if (this.#options.holdings.tierOf(uid) !== tier) this.#change(uid, tier);
      if (tier !== 'none') this.#move(uid);
    }
  }

  /** Suspended keyspaces, and those that could not resume, for the heartbeat. */
  report(): Parked | undefined {
    const keyspaceUids = this.#options.holdings.parkedKeyspaces();
    if (keyspaceUids.length === 0) return undefined;
    const failures = [...this.#failures].map(([keyspaceUid, reason]) => ({ keyspaceUid, reason }));
    return { keyspaceUids, failures };
  }

  /** Keyspaces whose segments are not yet where they should be. */
  moves(): {
    readonly keyspaceUid: string;
    readonly segmentsLeft: number;
    readonly bytesLeft: number;
    readonly failure: string;
  }[] {
    const { holdings } = this.#options;
    return holdings.keyspaceUids().flatMap((keyspaceUid) => {
      if (holdings.tierOf(keyspaceUid) === 'none') return [];
      const left = holdings.misplacedOf(keyspaceUid);
      if (left.length === 0) return [];
      const bytesLeft = left.reduce((sum, { byteLength }) => sum + byteLength, 0);
      const failure = this.#failures.get(keyspaceUid) ?? '';
      return [{ keyspaceUid, segmentsLeft: left.length, bytesLeft, failure }];
    });
  }

  close(): void {
    this.#closed = true;
  }

  #change(uid: string, tier: Tier): void {
    const { background, holdings, log, memory, store } = this.#options;
    this.#failures.delete(uid);
    const before = holdings.segmentBytes;
    holdings.setTier(uid, tier);
    // Returns the memory to the system, for other processes.
    if (tier === 'none') memory.collect();
    const bytes = before - holdings.segmentBytes;
    if (tier === 'none') log.info({ keyspace: uid, bytes }, 'a keyspace is suspended');
    else log.info({ keyspace: uid, tier }, 'a keyspace changes its tier');
    background.run('mark tier', () => store.markTier(uid, tier));
  }

  /** Moves what is misplaced, until nothing is. */
  #move(uid: string): void {
    const { background, env, holdings, log } = this.#options;
    if (this.#moving.has(uid) || holdings.misplacedOf(uid).length === 0) return;
    this.#moving.add(uid);
    background.run('move segments to their tier', async () => {
      const startMs = env.nowMs();
      let moved = 0;
      try {
        for (;;) {
          const tier = holdings.tierOf(uid);
          const misplaced = holdings.misplacedOf(uid);
          if (misplaced.length === 0) break;
          for (const segment of misplaced) {
            if (this.#closed || holdings.tierOf(uid) === 'none') return;
            // What is misplaced changes with the tier.
            if (holdings.tierOf(uid) !== tier) break;
            await this.#moveOne(uid, segment);
            moved++;
          }
        }
        this.#failures.delete(uid);
        const tookMs = Math.round(env.nowMs() - startMs);
        const isOnDisk = holdings.tierOf(uid) === 'disk';
        const text = isOnDisk
          ? 'the records of a keyspace are read from disk'
          : 'a keyspace is in memory again';
        log.info({ keyspace: uid, segments: moved, tookMs }, text);
      } catch (thrown) {
        const { code, message } = toSteleError(thrown, 'IO');
        this.#failures.set(uid, message);
        const text = 'segments of a keyspace could not be moved to its tier';
        log.error({ keyspace: uid, code, err: message }, text);
      } finally {
        this.#moving.delete(uid);
        this.#options.memory.collect();
      }
    });
  }

  async #moveOne(uid: string, segment: Misplaced): Promise<void> {
    const { holdings, store } = this.#options;
    if (!holdings.has(uid, segment.segmentId)) return;
    try {
      if (holdings.tierOf(uid) === 'disk') await this.#toDisk(uid, segment);
      else await this.#toMemory(uid, segment);
    } catch (thrown) {
      // It was dropped while it was being read.
      if (!holdings.has(uid, segment.segmentId)) return;
      if (!isDamage(thrown) || holdings.get(uid, segment.segmentId) !== undefined) throw thrown;
      holdings.remove(uid, segment.segmentId);
      await store.quarantine(store.fileOf(uid, segment.segmentId));
    }
  }

  async #toMemory(uid: string, { byteLength, segmentId }: Misplaced): Promise<void> {
    const { holdings, memory, store, verifier } = this.#options;
    const release = memory.reserve(byteLength);
    const file = store.fileOf(uid, segmentId);
    try {
      holdings.move(uid, segmentId, await verifier.verifyFile(file));
    } finally {
      release();
    }
  }

  async #toDisk(uid: string, { segmentId }: Misplaced): Promise<void> {
    const { holdings, source, store } = this.#options;
    const file = store.fileOf(uid, segmentId);
    const inMemory = holdings.get(uid, segmentId);
    if (inMemory === undefined) {
      holdings.move(uid, segmentId, await openOnDisk(file, this.#options));
      return;
    }
    const open = await source.open(file.path);
    holdings.move(uid, segmentId, { ...residentOf(inMemory), file: open });
  }
}

function wantedTier({ resuming = false, suspended = false, tier }: KeyspaceView): Tier {
  if (suspended && !resuming) return 'none';
  return tier === ViewTier.DISK ? 'disk' : 'memory';
}
