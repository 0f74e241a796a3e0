// Carries out merge orders: merges a shard's base and deltas into one segment, one order at a time,
// in a worker thread, at a limited rate.
//
//   asked  -> the result is already held: DONE     (also after a restart: its name identifies its content)
//          -> queued or running:          WAITING
//          -> otherwise queued:           WAITING, and DONE or FAILED when asked again
//
// The result is checked against the totals that the master expects, verified like any incoming
// segment, made durable, and only then held. Nothing is dropped here: readers keep using the old
// segments until a manifest names the new one.
//
// A keyspace in memory is merged there. One that has segments on disk is merged from files into a
// file; only the index of the result is in memory.

import { sleep } from '../../base/clock.ts';
import type { BackgroundTasks } from '../../base/background.ts';
import type { Env } from '../../base/env.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { SEGMENT_BYTES_MAX } from '../../base/limits.ts';
import type { Logger } from '../../base/log.ts';
import { MergeState } from '../../proto/gen/stele/v1/datanode.ts';
import type { MergeOrder, MergeStatus } from '../../proto/gen/stele/v1/datanode.ts';
import type { SegmentMeta } from '../../segment/layout.ts';
import { mergeBytesOf, unexpectedMerge } from '../../segment/merge-to-file.ts';
import { segmentContent } from '../../base/segment-name.ts';
import type { SegmentContent } from '../../base/segment-name.ts';
import type { Segment, SegmentIndex } from '../../segment/reader.ts';
import { isInMemory } from '../storage/holdings.ts';
import type { Holdings, ReadableSegment } from '../storage/holdings.ts';
import type { MemoryBudget } from '../storage/memory-budget.ts';
import type { DiskStore } from '../storage/store.ts';
import type { Intake } from '../transfer/intake.ts';
import { sharedBytes } from './segment-tasks.ts';
import type { SegmentWork } from './segment-work.ts';

const QUEUE_MAX = 10_000;
const FAILURES_KEPT_MAX = 10_000;

export interface MergerOptions {
  readonly holdings: Holdings;
  readonly intake: Intake;
  readonly work: SegmentWork;
  readonly memory: MemoryBudget;
  readonly store: DiskStore;
  readonly env: Env;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

export class Merger {
  readonly #options: MergerOptions;
  readonly #queue = new Map<string, MergeOrder>();
  readonly #failures = new Map<string, string>();
  readonly #abort = new AbortController();
  #running: string | undefined;
  #bytesPerSecondMax = 0;
  #done = 0;

  constructor(options: MergerOptions) {
    this.#options = options;
  }

  /** Merges since the start. */
  get doneTotal(): number {
    return this.#done;
  }

  get waiting(): number {
    return this.#queue.size + (this.#running === undefined ? 0 : 1);
  }

  /**
   * Returns the state of each order, in the same order, and queues those that are new.
   * `bytesPerSecondMax` 0: no limit.
   */
  accept(orders: readonly MergeOrder[], bytesPerSecondMax: number): MergeStatus[] {
    this.#bytesPerSecondMax = bytesPerSecondMax;
    const heldByUid = new Map<string, ReadonlyMap<string, SegmentIndex>>();
    const statuses = orders.map((order) => {
      let held = heldByUid.get(order.keyspaceUid);
      held ??= heldByContent(this.#options.holdings, order.keyspaceUid);
      heldByUid.set(order.keyspaceUid, held);
      return this.#status(order, held);
    });
    if (this.#running === undefined) this.#startNext();
    return statuses;
  }

  close(): void {
    this.#queue.clear();
    this.#abort.abort();
  }

  #status(order: MergeOrder, held: ReadonlyMap<string, SegmentIndex>): MergeStatus {
    const name = nameOf(order);
    const { totals } = order;
    if (totals === undefined) return failed('The order does not state the expected totals.');
    const done = held.get(segmentContent(order.shard, totals.digest.toString('hex')));
    if (done !== undefined && holdsTotals(done.meta, order)) {
      // The master will rely on the segment, so it is claimed.
      this.#options.holdings.claim(order.keyspaceUid, done.meta.id);
      return { state: MergeState.DONE, segment: infoOf(done.meta), reason: '' };
    }
    const reason = this.#failures.get(name);
    if (reason !== undefined) {
      this.#failures.delete(name);
      return failed(reason);
    }
    if (this.#running !== name && !this.#queue.has(name)) {
      if (this.#queue.size >= QUEUE_MAX) return failed(`${QUEUE_MAX} merges are already waiting.`);
      this.#queue.set(name, order);
    }
    return { state: MergeState.WAITING, segment: undefined, reason: '' };
  }

  #startNext(): void {
    const [next] = this.#queue;
    this.#running = undefined;
    if (next === undefined || this.#abort.signal.aborted) return;
    const [name, order] = next;
    this.#queue.delete(name);
    this.#running = name;
    this.#options.background.run('merge deltas', async () => {
      try {
        await this.#merge(order);
      } catch (thrown) {
        this.#onFailure(name, order, toSteleError(thrown));
      } finally {
        this.#startNext();
      }
    });
  }

  #onFailure(name: string, order: MergeOrder, error: SteleError): void {
    if (this.#abort.signal.aborted) return;
    const { keyspaceUid, shard } = order;
    this.#options.log.warn(
      { keyspace: keyspaceUid, shard, code: error.code, err: error.message },
      'deltas were not merged',
    );
    if (this.#failures.size < FAILURES_KEPT_MAX) this.#failures.set(name, error.message);
  }

  async #merge(order: MergeOrder): Promise<void> {
    const { env, holdings, intake, log } = this.#options;
    const { keyspaceUid, shard } = order;
    const startMs = env.nowMs();
    const segments = order.segmentIds.map((id) => requireHeld(holdings, keyspaceUid, id));
    const inputBytes = segments.reduce((sum, { header }) => sum + header.fileBytes, 0);
    // The result is at most as large as the inputs.
    const bytesMax = Math.min(inputBytes, SEGMENT_BYTES_MAX);
    const { records } =
      intake.isInMemory(keyspaceUid) && segments.every(isInMemory)
        ? await this.#mergeInMemory(order, segments, bytesMax)
        : await this.#mergeOnDisk(order, segments, bytesMax);
    this.#done++;
    const tookMs = Math.round(env.nowMs() - startMs);
    log.info({ keyspace: keyspaceUid, shard, records, tookMs }, 'deltas were merged');
    await this.#pace(inputBytes, env.nowMs() - startMs);
  }

  async #mergeInMemory(
    order: MergeOrder,
    segments: readonly Segment[],
    bytesMax: number,
  ): Promise<SegmentMeta> {
    const { intake, work } = this.#options;
    const reservation = await intake.reserve(bytesMax);
    try {
      const merged = await work.merge(segments);
      const meta = { ...merged.meta, digest: Buffer.from(merged.meta.digest) };
      if (!holdsTotals(meta, order)) throw unexpectedMerge(order.shard, meta);
      const expected = { keyspaceUid: order.keyspaceUid, segmentId: meta.id };
      await intake.store(sharedBytes(merged.segment), expected);
      return meta;
    } finally {
      reservation.release();
    }
  }

  async #mergeOnDisk(
    { keyspaceUid, shard, totals }: MergeOrder,
    segments: readonly ReadableSegment[],
    bytesMax: number,
  ): Promise<SegmentMeta> {
    const { intake, memory, store, work } = this.#options;
    if (totals === undefined) throw new SteleError('INVALID_ARGUMENT', 'The order has no totals.');
    const releaseMemory = memory.reserve(mergeBytesOf(totals.records, bytesMax));
    const path = store.newIncomingPath(`merge-${shard}`);
    let releaseDisk: (() => void) | undefined;
    try {
      releaseDisk = await store.reserve(bytesMax);
      const meta = await work.mergeToFile(segments, totals, path, this.#abort.signal);
      await intake.adopt(path, { keyspaceUid, segmentId: meta.id });
      return meta;
    } finally {
      releaseMemory();
      releaseDisk?.();
      // It has another name by now, or is of no use.
      await store.files.rm(path, { force: true }).catch(() => undefined);
    }
  }

  /** Sleeps for the rest of the time that so many bytes may take. */
  async #pace(byteCount: number, spentMs: number): Promise<void> {
    if (this.#bytesPerSecondMax <= 0) return;
    const restMs = (byteCount / this.#bytesPerSecondMax) * 1000 - spentMs;
    if (restMs > 1) await sleep(restMs, this.#abort.signal, this.#options.env);
  }
}

function nameOf({ keyspaceUid, segmentIds }: MergeOrder): string {
  return `${keyspaceUid} ${segmentIds.join(' ')}`;
}

function failed(reason: string): MergeStatus {
  return { state: MergeState.FAILED, segment: undefined, reason };
}

/** The held segments of the keyspace, by content. */
function heldByContent(holdings: Holdings, keyspaceUid: string): Map<SegmentContent, SegmentIndex> {
  const held = new Map<SegmentContent, SegmentIndex>();
  for (const segment of holdings.of(keyspaceUid)) {
    const { digest, shard } = segment.meta;
    held.set(segmentContent(shard, digest.toString('hex')), segment);
  }
  return held;
}

function holdsTotals(meta: SegmentMeta, { shard, totals }: MergeOrder): boolean {
  return (
    totals !== undefined &&
    meta.shard === shard &&
    meta.records === totals.records &&
    meta.keyBytes === totals.keyBytes &&
    meta.valueBytes === totals.valueBytes &&
    meta.digest.equals(totals.digest)
  );
}

function requireHeld(holdings: Holdings, keyspaceUid: string, segmentId: string): ReadableSegment {
  const segment = holdings.readable(keyspaceUid, segmentId);
  if (segment !== undefined) return segment;
  throw new SteleError('NOT_FOUND', `Segment ${segmentId} is not held here.`);
}

function infoOf(meta: SegmentMeta): NonNullable<MergeStatus['segment']> {
  const { digest, fileBytes, id, keyBytes, records, shard, valueBytes } = meta;
  return { id, shard, fileBytes, records, keyBytes, valueBytes, digest };
}
