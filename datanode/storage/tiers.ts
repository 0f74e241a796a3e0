// Moves the segments of a keyspace where its tier wants them: whole in memory, on disk with the index
// in memory, or, while it is suspended, with nothing in memory.
//
//   view: suspended            --> none    mark the folder, free the memory at once; reads are refused
//   view: tier, or resuming    --> memory  read and verify each file, hold it in memory
//                              --> disk    open each file, read index and checksums, free the rest
//
// A few segments move at a time, in the order of move-queue.ts, while they are read: each is replaced
// by itself, so a lookup finds it before and after. Those that arrive go where they belong
// (transfer/intake.ts); if the tier changes meanwhile, they move like the others.
//
// Warming: a start opens large segments on disk (startup-verification.ts). Those whose tier is the
// memory are then moved there like after a change of tier, and are read from disk until then. What
// finds no room in memory stays on disk. A change of tier without room for all of it moves nothing.
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
import type { Parked, TierMove } from '../../proto/gen/stele/v1/datanode.ts';
import { Tier as ViewTier } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView, KeyspaceView, Warming } from '../../proto/gen/stele/v1/view.ts';
import { diskSegment, residentOf } from '../disk/disk-segment.ts';
import type { BlockSource } from '../disk/block-source.ts';
import type { DamagedSegments } from './damaged-segments.ts';
import type { Holdings, Misplaced, Tier } from './holdings.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { MoveQueue } from './move-queue.ts';
import type { Move, MoveOrder } from './move-queue.ts';
import { openOnDisk } from './open-segment.ts';
import { isDamage } from './segment-files.ts';
import type { DiskStore } from './store.ts';
import type { Verifier } from './verifier.ts';

/** One is read while the other is verified. */
const MOVES_MAX = 2;

export interface TiersOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly source: BlockSource;
  readonly verifier: Verifier;
  readonly memory: MemoryBudget;
  readonly damaged: DamagedSegments;
  readonly order: MoveOrder;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env: Pick<Env, 'nowMs'>;
}

/** What was on disk at the start, and belongs into memory. */
interface WarmingStart {
  readonly startedMs: number;
  readonly uids: readonly string[];
  readonly segments: number;
  readonly bytes: number;
}

export class Tiers {
  readonly #options: TiersOptions;
  readonly #queue: MoveQueue;
  /** Why the last move of a keyspace failed, by uid. */
  readonly #failures = new Map<string, string>();
  #workers = 0;
  #warming: WarmingStart | undefined;
  #isOpened = false;
  #closed = false;

  constructor(options: TiersOptions) {
    this.#options = options;
    const { holdings, order } = options;
    this.#queue = new MoveQueue(holdings, order);
    // Looks at the one that has changed: a load changes thousands of a keyspace, one by one.
    holdings.onChange(({ keyspaceUid, segmentId }) => {
      if (holdings.isMisplaced(keyspaceUid, segmentId)) this.#move(keyspaceUid);
    });
  }

  /** Reads the marks. Must run before the startup verification, which follows them. */
  async open(): Promise<void> {
    const { holdings, store } = this.#options;
    for (const [uid, tier] of await store.markedTiers()) holdings.setTier(uid, tier);
  }

  /** Begins to move segments: those that were opened on disk, and belong into memory, first. */
  warm(): void {
    const { env, holdings, log } = this.#options;
    this.#isOpened = true;
    const uids = holdings.keyspaceUids();
    const cold = uids.filter((uid) => this.#leftOf([uid]).segments > 0);
    if (cold.length > 0) {
      const left = this.#leftOf(cold);
      this.#warming = { startedMs: env.nowMs(), uids: cold, ...left };
      const text = 'warming: segments are served from disk while they are read into memory';
      log.info({ keyspaces: cold.length, ...left }, text);
    }
    for (const uid of uids) this.#move(uid);
  }

  /** How far the segments that were on disk at the start are in memory; undefined if all are. */
  warming(): Warming | undefined {
    const start = this.#warming;
    if (start === undefined) return undefined;
    const left = this.#leftOf(start.uids);
    return {
      segmentsDone: Math.max(0, start.segments - left.segments),
      segmentsTotal: start.segments,
      bytesDone: Math.max(0, start.bytes - left.bytes),
      bytesTotal: start.bytes,
    };
  }

  /** Segments that are read from disk although their tier is the memory, and that do not move there. */
  get leftOnDiskTotal(): number {
    const { holdings } = this.#options;
    const isLeft = (uid: string): boolean =>
      holdings.tierOf(uid) === 'memory' && !this.#queue.has(uid) && this.#failures.has(uid);
    return this.#leftOf(holdings.keyspaceUids().filter(isLeft)).segments;
  }

  #leftOf(uids: readonly string[]): { segments: number; bytes: number } {
    const { holdings } = this.#options;
    let [segments, bytes] = [0, 0];
    for (const uid of uids) {
      if (holdings.tierOf(uid) !== 'memory') continue;
      for (const { byteLength } of holdings.misplacedOf(uid)) {
        segments++;
        bytes += byteLength;
      }
    }
    return { segments, bytes };
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
  moves(): TierMove[] {
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
    const { background, env } = this.#options;
    if (!this.#isOpened || !this.#queue.add(uid, env.nowMs())) return;
    // One that finds nothing to do ends at once.
    for (let more = MOVES_MAX - this.#workers; more > 0; more--) {
      this.#workers++;
      background.run('move segments to their tier', () => this.#work());
    }
  }

  async #work(): Promise<void> {
    try {
      for (;;) {
        const move = this.#queue.hottest();
        if (move === undefined || this.#closed) return;
        await this.#step(move);
        if (this.#queue.isOver(move)) this.#ended(move);
      }
    } finally {
      this.#workers--;
    }
  }

  async #step(move: Move): Promise<void> {
    try {
      if (move.done + move.running === 0) this.#requireRoom(move);
      const segment = this.#queue.take(move);
      if (segment === undefined) return;
      move.running++;
      try {
        await this.#moveOne(move.uid, segment);
        move.done++;
      } finally {
        move.running--;
      }
    } catch (thrown) {
      move.failure ??= thrown;
      move.queue.length = 0;
    }
  }

  /** Throws MEMORY_LIMIT for a change of tier without room for all segments. */
  #requireRoom({ queue, tier, uid }: Move): void {
    if (tier !== 'memory' || this.#warming?.uids.includes(uid) === true) return;
    const bytes = queue.reduce((sum, one) => sum + one.byteLength - one.memoryBytes, 0);
    this.#options.memory.requireRoom(bytes);
  }

  #ended({ done, failure, startedMs, uid }: Move): void {
    const { env, holdings, log, memory } = this.#options;
    const tookMs = Math.round(env.nowMs() - startedMs);
    if (failure !== undefined) {
      const { code, message } = toSteleError(failure, 'IO');
      const text =
        'segments of a keyspace could not be moved to its tier; they stay where they are';
      // It is tried again with each view.
      const isNews = this.#failures.get(uid) !== message;
      log[isNews ? 'error' : 'debug']({ keyspace: uid, code, err: message }, text);
      this.#failures.set(uid, message);
    } else if (holdings.tierOf(uid) !== 'none') {
      this.#failures.delete(uid);
      const isOnDisk = holdings.tierOf(uid) === 'disk';
      const text = isOnDisk
        ? 'the records of a keyspace are read from disk'
        : 'a keyspace is in memory again';
      log.info({ keyspace: uid, segments: done, tookMs }, text);
    }
    memory.collect();
    this.#noteWarm();
  }

  /** Ends the warming if nothing of it moves any more. */
  #noteWarm(): void {
    const { env, log } = this.#options;
    if (this.#warming?.uids.some((uid) => this.#queue.has(uid)) !== false) return;
    const { bytes, segments, startedMs, uids } = this.#warming;
    this.#warming = undefined;
    const tookMs = Math.round(env.nowMs() - startedMs);
    const left = this.#leftOf(uids);
    if (left.segments === 0) return log.info({ segments, bytes, tookMs }, 'warming has ended');
    const about = { segments: segments - left.segments, leftOnDisk: left.segments, tookMs };
    log.warn(about, 'warming has ended; segments without room in memory are read from disk');
  }

  async #moveOne(uid: string, segment: Misplaced): Promise<void> {
    const { damaged, holdings } = this.#options;
    const { segmentId } = segment;
    if (!holdings.has(uid, segmentId)) return;
    try {
      if (holdings.tierOf(uid) === 'disk') await this.#toDisk(uid, segment);
      else await this.#toMemory(uid, segment);
    } catch (thrown) {
      // It was dropped while it was being read.
      if (!holdings.has(uid, segmentId)) return;
      if (!isDamage(thrown) || holdings.get(uid, segmentId) !== undefined) throw thrown;
      damaged.remove({ keyspaceUid: uid, segmentId }, thrown);
    }
  }

  async #toMemory(uid: string, { byteLength, memoryBytes, segmentId }: Misplaced): Promise<void> {
    const { holdings, memory, store, verifier } = this.#options;
    // The index that it has in memory is part of it.
    const release = memory.reserve(byteLength - memoryBytes);
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
    holdings.move(uid, segmentId, diskSegment(residentOf(inMemory), open));
  }
}

function wantedTier({ resuming = false, suspended = false, tier }: KeyspaceView): Tier {
  if (suspended && !resuming) return 'none';
  return tier === ViewTier.DISK ? 'disk' : 'memory';
}
