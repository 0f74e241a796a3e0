// One stream of segments from a loader (DatanodeService.PushSegments), without the network.
//
//   offer A  -> here already:  answer {A, stored}
//            -> not here:      reserve room, answer {A, send}, and A joins the queue
//   chunk    -> bytes of the queue's head, until it is whole; then it is verified and made
//               durable beside the chunks of the next, and answered {A, stored}
//
// Anything wrong ends the whole stream with an error; what was answered `stored` stays stored, the
// rest leaves no trace.

import { SteleError } from '../base/errors.ts';
import type { PushSegmentsRequest, PushSegmentsResponse } from '../proto/gen/stele/v1/datanode.ts';
import type { SegmentOffer } from '../proto/gen/stele/v1/datanode.ts';
import type { NodeIdentity } from './identity.ts';
import type { Intake, Reservation } from './intake.ts';

const OFFERS_QUEUED_MAX = 4096;
/**
 * Segments being verified and written at a time; the stream waits beyond that. Each takes about ten
 * hops between threads, so a few would leave disk and processor idle; their room is reserved anyway.
 */
const STORING_MAX = 16;

interface Incoming {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  readonly byteLength: number;
  readonly reservation: Reservation;
  bytes: Buffer | undefined;
  received: number;
}

export class PushSession {
  readonly #identity: NodeIdentity;
  readonly #intake: Intake;
  readonly #send: (response: PushSegmentsResponse) => void;
  /** Rejects as soon as a segment cannot be stored, even if no further message comes. */
  readonly failed: Promise<never>;
  #fail: (reason: unknown) => void = () => undefined;
  readonly #queue: Incoming[] = [];
  readonly #storing = new Set<Promise<void>>();
  #failure: unknown;
  #disposed = false;

  constructor(
    identity: NodeIdentity,
    intake: Intake,
    send: (response: PushSegmentsResponse) => void,
  ) {
    this.#identity = identity;
    this.#intake = intake;
    this.#send = send;
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    // Whoever does not wait for it learns of the failure from message() or end().
    this.failed.catch(() => undefined);
  }

  /** Handles one message; resolves when the next may come. Throws what ends the stream. */
  async message(request: PushSegmentsRequest): Promise<void> {
    this.#throwFailure();
    if (request.part?.$case === 'offer') await this.#offer(request.part.value);
    else if (request.part?.$case === 'chunk') await this.#chunk(request.part.value);
  }

  /** The sender has ended the stream: waits until everything received is stored. */
  async end(): Promise<void> {
    while (this.#storing.size > 0) await Promise.all(this.#storing);
    this.#throwFailure();
    if (this.#queue.length > 0) {
      throw new SteleError('INVALID_ARGUMENT', 'The stream ended in the middle of a segment.');
    }
  }

  /** Gives back what was reserved; the session is over, for whatever reason. */
  dispose(): void {
    this.#disposed = true;
    for (const incoming of this.#queue) incoming.reservation.release();
    this.#queue.length = 0;
  }

  async #offer(offer: SegmentOffer): Promise<void> {
    this.#identity.expect(offer.expectNode, offer.expectIncarnation);
    const { segment, keyspaceUid } = offer;
    if (segment === undefined)
      throw new SteleError('INVALID_ARGUMENT', 'An offer names no segment.');
    if (this.#intake.has(keyspaceUid, segment.id)) {
      this.#answer({ segmentId: segment.id, stored: true });
      return;
    }
    if (this.#queue.length >= OFFERS_QUEUED_MAX) {
      throw new SteleError('OVERLOADED', `More than ${OFFERS_QUEUED_MAX} offers wait for bytes.`);
    }
    const reservation = await this.#intake.reserve(segment.fileBytes);
    this.#queue.push({
      keyspaceUid,
      segmentId: segment.id,
      byteLength: segment.fileBytes,
      reservation,
      bytes: undefined,
      received: 0,
    });
    this.#answer({ segmentId: segment.id, stored: false });
  }

  async #chunk(chunk: Buffer): Promise<void> {
    const head = this.#queue[0];
    if (head === undefined || head.received + chunk.length > head.byteLength) {
      throw new SteleError('INVALID_ARGUMENT', 'A chunk has more bytes than were offered.');
    }
    head.bytes ??= Buffer.from(new SharedArrayBuffer(head.byteLength));
    head.bytes.set(chunk, head.received);
    head.received += chunk.length;
    if (head.received < head.byteLength) return;
    this.#queue.shift();
    this.#store(head, head.bytes);
    while (this.#storing.size >= STORING_MAX) await Promise.race(this.#storing);
  }

  #store(incoming: Incoming, bytes: Buffer): void {
    const work = async (): Promise<void> => {
      try {
        await this.#intake.store(bytes, incoming);
        this.#answer({ segmentId: incoming.segmentId, stored: true });
      } catch (thrown) {
        this.#failure ??= thrown;
        this.#fail(thrown);
      } finally {
        incoming.reservation.release();
      }
    };
    const running = work().finally(() => this.#storing.delete(running));
    this.#storing.add(running);
  }

  /** Nothing may follow the error that ends the stream. */
  #answer(response: PushSegmentsResponse): void {
    if (this.#failure === undefined && !this.#disposed) this.#send(response);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
