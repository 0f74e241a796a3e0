// Carries out archive orders: writes held segments into an object store, a few at a time, at a
// limited rate.
//
// Orders are idempotent: a segment that the store has is not written again, unless it was written
// so long ago that a cleaning of the store may be about to remove it. The master asks until each is
// done or has failed; asking for a failed one makes another attempt.
//
// Invariant: the bytes written are those of a verified segment. What is only on disk is verified
// first.

import { bodyOfBytes } from '../../archive/open-store.ts';
import type { ObjectBody } from '../../archive/object-store.ts';
import { segmentObject } from '../../archive/layout.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { BackgroundTasks } from '../../base/background.ts';
import { systemTime } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { segmentKey } from '../../base/segment-name.ts';
import { ArchiveState } from '../../proto/gen/stele/v1/datanode.ts';
import type {
  ArchiveSegmentsRequest,
  ArchiveStatus,
  HeldSegment,
  StoreRef,
} from '../../proto/gen/stele/v1/datanode.ts';
import type { Holdings } from '../storage/holdings.ts';
import type { DiskStore } from '../storage/store.ts';
import type { Verifier } from '../storage/verifier.ts';
import { readBytes } from '../disk/read-bytes.ts';
import { nameOfStore } from './object-stores.ts';
import type { ObjectStores } from './object-stores.ts';
import { Pacer } from './pacer.ts';

const QUEUE_MAX = 10_000;
/** What is done is remembered until the master has heard of it. */
const OUTCOMES_KEPT_MAX = 20_000;
const CONCURRENCY = 2;
/** Shorter pauses are accumulated. */
const PAUSE_MS_MIN = 10;

export interface ArchiverOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly verifier: Verifier;
  readonly stores: ObjectStores;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env?: Time;
}

interface Task {
  readonly held: HeldSegment;
  readonly into: StoreRef;
  readonly refreshAfterMs: number;
}

const WAITING: ArchiveStatus = { state: ArchiveState.WAITING, reason: '' };
const DONE: ArchiveStatus = { state: ArchiveState.DONE, reason: '' };

export class Archiver {
  readonly #options: ArchiverOptions;
  readonly #env: Time;
  readonly #pacer: Pacer;
  readonly #queue = new Map<string, Task>();
  readonly #running = new Set<string>();
  readonly #outcomes = new Map<string, ArchiveStatus>();
  readonly #abort = new AbortController();

  constructor(options: ArchiverOptions) {
    this.#options = options;
    this.#env = options.env ?? systemTime;
    this.#pacer = new Pacer(this.#env.nowMs);
  }

  /** Queues what is neither queued nor done. Returns one status per segment. */
  accept({
    bytesPerSecondMax,
    refreshAfterMs,
    segments,
    store,
  }: ArchiveSegmentsRequest): ArchiveStatus[] {
    if (store === undefined) throw new SteleError('INVALID_ARGUMENT', 'The order names no store.');
    this.#pacer.bytesPerSecondMax = bytesPerSecondMax;
    const statuses = segments.map((held) => this.#accept({ held, into: store, refreshAfterMs }));
    this.#startMore();
    return statuses;
  }

  /** Cancels what is being written; the store has nothing of it, or all of it. */
  close(): void {
    this.#queue.clear();
    this.#abort.abort();
  }

  #accept(task: Task): ArchiveStatus {
    const { keyspaceUid, segmentId } = task.held;
    const name = `${segmentKey(keyspaceUid, segmentId)} ${nameOfStore(task.into)}`;
    const outcome = this.#outcomes.get(name);
    if (outcome !== undefined) {
      this.#outcomes.delete(name);
      return outcome;
    }
    if (this.#running.has(name) || this.#queue.has(name)) return WAITING;
    if (this.#queue.size >= QUEUE_MAX) return failed(`${QUEUE_MAX} segments are already waiting.`);
    this.#queue.set(name, task);
    return WAITING;
  }

  #startMore(): void {
    for (const [name, task] of this.#queue) {
      if (this.#running.size >= CONCURRENCY || this.#abort.signal.aborted) return;
      this.#queue.delete(name);
      this.#running.add(name);
      this.#options.background.run('archive segment', async () => {
        const outcome = await this.#archive(task);
        this.#running.delete(name);
        if (this.#outcomes.size < OUTCOMES_KEPT_MAX) this.#outcomes.set(name, outcome);
        this.#startMore();
      });
    }
  }

  async #archive({ held, into, refreshAfterMs }: Task): Promise<ArchiveStatus> {
    const { log, stores } = this.#options;
    const { keyspaceUid, segmentId } = held;
    const startMs = this.#env.nowMs();
    try {
      const store = await stores.get(into);
      const name = segmentObject(keyspaceUid, segmentId);
      const byteLength = this.#byteLengthOf(held);
      const { signal } = this.#abort;
      const there = await store.stat(name, { signal });
      const isOld = (there?.modifiedMs ?? 0) < this.#env.unixMs() - refreshAfterMs;
      if (there?.byteCount === byteLength && !isOld) return DONE;
      await this.#withBody(held, byteLength, (body) =>
        store.put(name, body, { signal, pace: (count) => this.#pauseMs(count) }),
      );
      const tookMs = Math.round(this.#env.nowMs() - startMs);
      const about = { keyspace: keyspaceUid, segment: segmentId, bytes: byteLength, tookMs };
      log.debug(about, 'a segment was archived');
      return DONE;
    } catch (thrown) {
      const { code, message } = toSteleError(thrown);
      if (this.#abort.signal.aborted) return WAITING;
      log.warn({ keyspace: keyspaceUid, segment: segmentId, code, err: message }, 'not archived');
      return failed(message);
    }
  }

  /** Calls `use` with the verified bytes, in memory or on disk. */
  async #withBody(
    held: HeldSegment,
    byteCount: number,
    use: (body: ObjectBody) => Promise<void>,
  ): Promise<void> {
    const { holdings, store, verifier } = this.#options;
    const { keyspaceUid, segmentId } = held;
    const segment = holdings.get(keyspaceUid, segmentId);
    if (segment !== undefined) return use(bodyOfBytes(segment.bytes));
    const path = store.fileOf(keyspaceUid, segmentId);
    await verifier.verifyOnDisk(path);
    const file = await store.files.open(path.path, 'r');
    try {
      await use({ byteCount, read: (start, end) => readBytes(file, start, end - start) });
    } finally {
      await file.close();
    }
  }

  #byteLengthOf({ keyspaceUid, segmentId }: HeldSegment): number {
    const byteLength = this.#options.holdings.byteLengthOf(keyspaceUid, segmentId);
    if (byteLength !== undefined) return byteLength;
    throw new SteleError('NOT_FOUND', `Segment ${segmentId} is not held here.`);
  }

  /** How long to pause after `byteCount` bytes. All uploads share one rate. */
  #pauseMs(byteCount: number): number {
    const waitMs = this.#pacer.take(byteCount);
    return waitMs > PAUSE_MS_MIN ? waitMs : 0;
  }
}

function failed(reason: string): ArchiveStatus {
  return { state: ArchiveState.FAILED, reason };
}
