// Receives segments from loaders, independently of the network.
//
//   admit   -> already held: nothing to send
//           -> space reserved: an Arrival (arrival.ts), which may be acknowledged once it is finished

import { SteleError } from '../../base/errors.ts';
import type { NodeIdentity } from '../identity.ts';
import type { SegmentAnnouncement } from '../../proto/segment-transfer.ts';
import type { Arrival } from './arrival.ts';
import type { Intake } from './intake.ts';
import { checkSegments } from '../order-checks.ts';

/** Segments that may be arriving, being verified or written at a time; others wait. */
const ARRIVING_MAX = 64;
const WAITING_MAX = 4096;

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
    const { expectIncarnation, expectNode, keyspaceUid, segmentId } = announced;
    this.#identity.expect(expectNode, expectIncarnation);
    checkSegments([announced]);
    if (this.#intake.claim(keyspaceUid, segmentId)) return undefined;
    await this.#turn();
    try {
      return await this.#intake.open(announced, { onEnd: () => this.#next() });
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
