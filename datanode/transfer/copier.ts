// Carries out copy orders: fetches segments from peers, a few at a time, at a limited rate; from
// the object store that the order names if no peer has them.
//
// Orders are idempotent: one for a segment that is here, queued or running does nothing. If a
// source fails or sends bytes that do not verify, the next one is tried. When all have failed, the
// order is dropped and the reason is reported with the next heartbeat; the master decides what to
// do.

import type { SegmentKey } from '../../base/segment-name.ts';
import { segmentKey } from '../../base/segment-name.ts';
import { segmentObject } from '../../archive/layout.ts';
import { systemTime } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { BackgroundTasks } from '../../base/background.ts';
import type { CopyFailure, CopyOrder, StoreRef } from '../../proto/gen/stele/v1/datanode.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import type { CallOptions, DatanodeLink, FetchTarget, LinkFactory } from '../../proto/ports.ts';
import { segmentDeadlineMs } from '../../transport/segment-fetch.ts';
import type { Arrival } from './arrival.ts';
import type { Intake } from './intake.ts';
import { BRAKED_BYTES_PER_SECOND_MIN } from './intake-brake.ts';
import type { IntakeBrake } from './intake-brake.ts';
import { readObjectInto, STORE_PIECE_BYTES } from './object-stores.ts';
import type { ObjectStores } from './object-stores.ts';
import { Pacer } from './pacer.ts';

const QUEUE_MAX = 100_000;
const FAILURES_KEPT_MAX = 1000;
/** Shorter pauses are accumulated. */
const PAUSE_MS_MIN = 10;

export interface CopierOptions {
  readonly intake: Intake;
  readonly links: LinkFactory;
  readonly stores: ObjectStores;
  /** Shared with everything else that comes in. */
  readonly brake: IntakeBrake;
  readonly concurrency: number;
  readonly env?: Time;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

/** A segment of an order. */
interface Wanted {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  readonly byteLength: number;
}

/** A peer or a store. */
interface Source {
  /** For people. */
  readonly name: string;
  /** How many bytes come at once at most; absent: as from a socket. */
  readonly pieceBytes?: number;
  readonly fetch: (wanted: Wanted, into: FetchTarget, options: FetchOptions) => Promise<void>;
}

type FetchOptions = Required<CallOptions>;

export class Copier {
  readonly #options: CopierOptions;
  readonly #time: Time;
  readonly #pacer: Pacer;
  readonly #queue = new Map<SegmentKey, CopyOrder>();
  readonly #running = new Set<SegmentKey>();
  readonly #links = new Map<string, DatanodeLink>();
  readonly #abort = new AbortController();
  #failures: CopyFailure[] = [];

  constructor(options: CopierOptions) {
    this.#options = options;
    this.#time = options.env ?? systemTime;
    this.#pacer = new Pacer(this.#time.nowMs);
  }

  get running(): number {
    return this.#running.size;
  }

  /**
   * Queues orders that are neither running nor done. Returns how many were accepted: the queue is
   * bounded, further orders are ignored, and the master repeats them. `bytesPerSecondMax` 0: no
   * limit.
   */
  accept(orders: readonly CopyOrder[], bytesPerSecondMax: number): number {
    this.#pacer.bytesPerSecondMax = bytesPerSecondMax;
    let accepted = 0;
    for (const order of orders) {
      if (order.segment === undefined || this.#queue.size >= QUEUE_MAX) continue;
      accepted++;
      const name = segmentKey(order.keyspaceUid, order.segment.id);
      if (this.#running.has(name)) continue;
      if (this.#options.intake.claim(order.keyspaceUid, order.segment.id)) continue;
      this.#queue.set(name, order);
    }
    this.#startMore();
    return accepted;
  }

  /** Removes a queued copy, because a segment that is to be dropped must not arrive afterwards. */
  forget(keyspaceUid: string, segmentId: string): void {
    this.#queue.delete(segmentKey(keyspaceUid, segmentId));
  }

  /** Returns the failures since the last call. */
  takeFailures(): CopyFailure[] {
    const failures = this.#failures;
    this.#failures = [];
    return failures;
  }

  /** Cancels running transfers; nothing of them is kept. */
  close(): void {
    this.#queue.clear();
    this.#abort.abort();
  }

  #startMore(): void {
    for (const [name, order] of this.#queue) {
      if (this.#running.size >= this.#options.concurrency || this.#abort.signal.aborted) return;
      this.#queue.delete(name);
      this.#running.add(name);
      this.#options.background.run('copy segment', async () => {
        try {
          await this.#copy(order);
        } finally {
          this.#running.delete(name);
          this.#startMore();
          if (this.#running.size === 0) this.#closeLinks();
        }
      });
    }
  }

  async #copy(order: CopyOrder): Promise<void> {
    const { log } = this.#options;
    const { keyspaceUid, segment } = order;
    const about = { keyspace: keyspaceUid, shard: segment?.shard, segment: segment?.id };
    const startMs = this.#time.nowMs();
    let reason = 'No source was named.';
    for (const source of this.#sourcesOf(order)) {
      if (this.#abort.signal.aborted) return;
      try {
        await this.#copyFrom(order, source);
        const done = { bytes: segment?.fileBytes, tookMs: this.#tookMs(startMs) };
        log.debug({ ...about, source: source.name, ...done }, 'a segment was copied');
        return;
      } catch (thrown) {
        const error = toSteleError(thrown);
        reason = `from ${source.name}: ${error.message}`;
        const { code, message } = error;
        const how = { source: source.name, code, err: message, tookMs: this.#tookMs(startMs) };
        log.warn({ ...about, ...how }, 'copy failed');
        if (error.code === 'MEMORY_LIMIT' || error.code === 'DISK_FULL') break;
      }
    }
    if (this.#failures.length < FAILURES_KEPT_MAX) {
      this.#failures.push({ keyspaceUid, segmentId: segment?.id ?? '', reason });
    }
  }

  #tookMs(startMs: number): number {
    return Math.round(this.#time.nowMs() - startMs);
  }

  /** The peers of the order, then its store. */
  #sourcesOf({ sources, store }: CopyOrder): Source[] {
    const peers = sources.map(({ address, nodeId }) => ({
      name: nodeId,
      fetch: async (
        { keyspaceUid, segmentId }: Wanted,
        into: FetchTarget,
        options: FetchOptions,
      ): Promise<void> => {
        if (address === undefined) throw new SteleError('INVALID_ARGUMENT', 'It has no address.');
        const wish = { keyspaceUid, segmentId, expectNode: nodeId };
        await this.#linkTo(nodeId, address).fetchSegment(wish, into, options);
      },
    }));
    return store === undefined ? peers : [...peers, this.#sourceOf(store)];
  }

  #sourceOf(ref: StoreRef): Source {
    return {
      name: ref.url,
      pieceBytes: STORE_PIECE_BYTES,
      fetch: async ({ keyspaceUid, segmentId }, into, { signal }) => {
        const store = await this.#options.stores.get(ref);
        const pace = (byteCount: number): number => into.pace(byteCount);
        await readObjectInto(store, segmentObject(keyspaceUid, segmentId), into, { pace, signal });
      },
    };
  }

  async #copyFrom({ keyspaceUid, segment }: CopyOrder, source: Source): Promise<void> {
    if (segment === undefined) return;
    const { fileBytes: byteLength, id: segmentId } = segment;
    const wanted = { keyspaceUid, segmentId, byteLength };
    const { fetch, pieceBytes } = source;
    const sizes = pieceBytes === undefined ? {} : { pieceBytes };
    const arrival = await this.#options.intake.open(wanted, sizes);
    try {
      const deadlineMs = segmentDeadlineMs(byteLength, this.#bytesPerSecondOfOne());
      const options = { deadlineMs, signal: this.#abort.signal };
      await fetch(wanted, this.#paced(arrival), options);
      await arrival.finish();
    } finally {
      arrival.abandon();
    }
  }

  #paced(arrival: Arrival): FetchTarget {
    return {
      byteLength: arrival.byteLength,
      get room() {
        return arrival.room;
      },
      filled: (byteCount) => arrival.filled(byteCount),
      pace: (byteCount) => this.#pauseMs(byteCount),
    };
  }

  #linkTo(nodeId: string, address: NodeAddress): DatanodeLink {
    const name = `${nodeId}@${address.host}:${address.grpcPort}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = this.#options.links.connect({ nodeId, address });
      this.#links.set(name, link);
    }
    return link;
  }

  /** Closes all connections, because peers are needed rarely and in bursts. */
  #closeLinks(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  /** What the limits leave for each of the copies that run at the same time. */
  #bytesPerSecondOfOne(): number {
    const { bytesPerSecondMax } = this.#pacer;
    const paced = bytesPerSecondMax > 0 ? bytesPerSecondMax : Infinity;
    return Math.min(paced, BRAKED_BYTES_PER_SECOND_MIN) / this.#options.concurrency;
  }

  /** How long to pause after `byteCount` bytes. All copies share one rate. */
  #pauseMs(byteCount: number): number {
    const waitMs = Math.max(this.#options.brake.take(byteCount), this.#pacer.take(byteCount));
    return waitMs > PAUSE_MS_MIN ? waitMs : 0;
  }
}
