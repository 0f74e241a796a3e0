// Receives segments from loaders, independently of the network.
//
//   admit   -> already held: nothing to send
//           -> memory and disk reserved: an Arrival
//   room    -> where the next bytes go, until all have arrived
//   finish  -> verified, durable, held; only then may the sender be acknowledged
//
// Every Arrival ends in `finish` or `abandon`; both release the reservation. An abandoned one
// leaves no trace.

import { SteleError } from '../../base/errors.ts';
import type { NodeIdentity } from '../identity.ts';
import type { SegmentAnnouncement } from '../../proto/segment-transfer.ts';
import type { Intake, Reservation } from './intake.ts';
import { checkSegments } from '../order-checks.ts';
import type { IncomingSegment } from './segment-connection.ts';

/** Segments that may be arriving, being verified or written at a time; others wait. */
const ARRIVING_MAX = 64;
const WAITING_MAX = 4096;
const NO_ROOM = new Uint8Array(0);

export class Receiving {
  readonly #identity: NodeIdentity;
  readonly #intake: Intake;
  #arriving = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(identity: NodeIdentity, intake: Intake) {
    this.#identity = identity;
    this.#intake = intake;
  }

  /**
   * Resolves to undefined if the segment is already here. Throws WRONG_NODE, MEMORY_LIMIT,
   * DISK_FULL, INVALID_ARGUMENT, or OVERLOADED if too many wait.
   */
  async admit(announced: SegmentAnnouncement): Promise<Arrival | undefined> {
    const { byteLength, expectIncarnation, expectNode, keyspaceUid, segmentId } = announced;
    this.#identity.expect(expectNode, expectIncarnation);
    checkSegments([announced]);
    if (this.#intake.claim(keyspaceUid, segmentId)) return undefined;
    await this.#turn();
    try {
      const reservation = await this.#intake.reserve(byteLength);
      return new Arrival(announced, this.#intake, reservation, () => this.#next());
    } catch (thrown) {
      this.#next();
      throw thrown;
    }
  }

  async #turn(): Promise<void> {
    if (this.#arriving < ARRIVING_MAX) {
      this.#arriving++;
      return;
    }
    if (this.#waiting.length >= WAITING_MAX) {
      throw new SteleError('OVERLOADED', `More than ${WAITING_MAX} segments wait to be received.`);
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Passes the place on to the segment that has waited longest. */
  #next(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#arriving--;
    else next();
  }
}

/** One segment that is being received. */
export class Arrival implements IncomingSegment {
  readonly #announced: SegmentAnnouncement;
  readonly #intake: Intake;
  readonly #reservation: Reservation;
  readonly #onEnd: () => void;
  #bytes: Buffer | undefined;
  #received = 0;
  #isOver = false;

  constructor(
    announced: SegmentAnnouncement,
    intake: Intake,
    reservation: Reservation,
    onEnd: () => void,
  ) {
    this.#announced = announced;
    this.#intake = intake;
    this.#reservation = reservation;
    this.#onEnd = onEnd;
  }

  get room(): Uint8Array {
    if (this.#isOver) return NO_ROOM;
    this.#bytes ??= Buffer.from(new SharedArrayBuffer(this.#announced.byteLength));
    return this.#bytes.subarray(this.#received);
  }

  filled(byteCount: number): void {
    this.#received += byteCount;
  }

  /**
   * Resolves when the segment is verified, durable and held. Throws CORRUPT, DISK_FULL, IO, or
   * INVALID_ARGUMENT if bytes are missing.
   */
  async finish(): Promise<void> {
    try {
      const bytes = this.#bytes;
      if (bytes === undefined || this.#received < this.#announced.byteLength) {
        throw new SteleError(
          'INVALID_ARGUMENT',
          `A segment of ${this.#announced.byteLength} bytes ended after ${this.#received}.`,
        );
      }
      await this.#intake.store(bytes, this.#announced);
    } finally {
      this.abandon();
    }
  }

  /** Releases the reservation; may be called more than once. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#bytes = undefined;
    this.#reservation.release();
    this.#onEnd();
  }
}
