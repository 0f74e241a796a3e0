// Pulls segments out of object stores for loads: a few at a time, at a limited rate, verified before
// they are held.
//
// The loader asks for each segment and waits; when it goes, its pulls are cancelled. A segment that
// is here is not pulled again, so asking again costs nothing.

import { Slots } from '../../archive/slots.ts';
import { systemTime } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { SegmentAnnouncement, SegmentOrigin } from '../../proto/segment-transfer.ts';
import type { Intake } from './intake.ts';
import type { IntakeBrake } from './intake-brake.ts';
import { readObjectInto, STORE_PIECE_BYTES } from './object-stores.ts';
import type { ObjectStores } from './object-stores.ts';
import { Pacer } from './pacer.ts';
import type { PullWatch } from './segment-connection.ts';

/** Bytes that do not verify are read once more: they may have been damaged on the way. */
const ATTEMPTS_MAX = 2;
/** Shorter pauses are accumulated. */
const PAUSE_MS_MIN = 10;

export interface PullsOptions {
  readonly intake: Intake;
  readonly stores: ObjectStores;
  /** Shared with everything else that comes in. */
  readonly brake: IntakeBrake;
  readonly concurrency: number;
  readonly env?: Time;
  readonly log: Logger;
}

type Wanted = Pick<SegmentAnnouncement, 'keyspaceUid' | 'segmentId' | 'byteLength' | 'tier'>;

export class Pulls {
  /** Bytes of segments that were pulled and are held. */
  bytesTotal = 0;
  readonly #options: PullsOptions;
  readonly #slots: Slots;
  readonly #pacer: Pacer;
  readonly #time: Time;

  constructor(options: PullsOptions) {
    this.#options = options;
    this.#slots = new Slots(options.concurrency);
    this.#time = options.env ?? systemTime;
    this.#pacer = new Pacer(this.#time.nowMs);
  }

  /**
   * Resolves when the segment is verified, durable and held. Throws MEMORY_LIMIT, DISK_FULL, what
   * the store throws (archive/object-store.ts), CORRUPT and UNKNOWN_FORMAT for bytes that are not
   * this segment, CANCELLED.
   */
  async pull(wanted: Wanted, origin: SegmentOrigin, watch: PullWatch): Promise<void> {
    const { byteLength, keyspaceUid, segmentId } = wanted;
    const { intake, log } = this.#options;
    this.#pacer.bytesPerSecondMax = origin.bytesPerSecondMax;
    const isHere = (): boolean => intake.claim(keyspaceUid, segmentId);
    if (isHere()) return;
    const leave = await this.#slots.acquire(watch.signal);
    try {
      // It may have come by another way meanwhile.
      if (isHere()) return;
      const startMs = this.#time.nowMs();
      await this.#pullVerified(wanted, origin, watch);
      this.bytesTotal += byteLength;
      const tookMs = Math.round(this.#time.nowMs() - startMs);
      const about = { keyspace: keyspaceUid, segment: segmentId, bytes: byteLength, tookMs };
      log.debug({ ...about, source: origin.url }, 'a segment was pulled');
    } finally {
      leave();
    }
  }

  async #pullVerified(wanted: Wanted, origin: SegmentOrigin, watch: PullWatch): Promise<void> {
    const { intake, log, stores } = this.#options;
    const store = await stores.get(origin);
    const { keyspaceUid, segmentId } = wanted;
    const expected = { ...wanted, shardCount: origin.shardCount };
    for (let attempt = 1; ; attempt++) {
      const arrival = await intake.open(expected, { pieceBytes: STORE_PIECE_BYTES });
      try {
        const pace = this.#paceOf(watch);
        await readObjectInto(store, origin.object, arrival, { signal: watch.signal, pace });
        await arrival.finish();
        return;
      } catch (thrown) {
        const error = explained(thrown, store.url, origin.object);
        if (error.code !== 'CORRUPT' || attempt >= ATTEMPTS_MAX) throw error;
        log.warn({ keyspace: keyspaceUid, segment: segmentId, err: error.message }, 'pulled again');
      } finally {
        arrival.abandon();
      }
    }
  }

  /** How long to pause after some bytes. All pulls share one rate. */
  #paceOf({ onBytes }: PullWatch): (byteCount: number) => number {
    let bytesDone = 0;
    onBytes(0);
    return (byteCount) => {
      bytesDone += byteCount;
      onBytes(bytesDone);
      const waitMs = Math.max(this.#options.brake.take(byteCount), this.#pacer.take(byteCount));
      return waitMs > PAUSE_MS_MIN ? waitMs : 0;
    };
  }
}

/** Names the object, which the check of the bytes does not know. */
function explained(thrown: unknown, url: string, object: string): SteleError {
  const error = toSteleError(thrown);
  if (error.code !== 'CORRUPT' && error.code !== 'UNKNOWN_FORMAT') return error;
  return new SteleError(error.code, `'${object}' of ${url}: ${error.message}`, { cause: error });
}
