// Segments to one datanode, several at a time.
//
// A push is idempotent: after a break it is simply made again, and a node that has the segment says
// so. Several breaks in a row without a single acknowledgement between them, or an error that
// repeating cannot mend (no room, another process at that address), fail the node: all its pushes
// reject, and it is for delivery.ts to do without it or to come back later.

import { setMaxListeners } from 'node:events';
import { toSteleError } from '../../base/errors.ts';
import type { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { sleep } from '../../base/clock.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import { putSegment } from './put-segment.ts';
import type { OutgoingSegment, PushIdentity } from './put-segment.ts';
import { SegmentLinks } from './segment-link.ts';
import type { Throttle } from '../bytes/throttle.ts';

const ATTEMPTS_MAX = 4;
const RETRY_DELAY_MS = 250;

export class NodePusher {
  readonly node: NodeView;
  readonly #identity: PushIdentity;
  readonly #throttle: Throttle;
  readonly #log: Logger;
  readonly #links: SegmentLinks;
  readonly #stop = new AbortController();
  #failure: SteleError | undefined;
  #failedAtMs = 0;
  #attempts = 0;
  /** Counts the breaks: pushes that break together are one. */
  #round = 0;
  #pause: Promise<void> = Promise.resolve();

  constructor(node: NodeView, identity: PushIdentity, throttle: Throttle, log: Logger) {
    this.node = node;
    this.#links = new SegmentLinks(node);
    this.#identity = identity;
    this.#throttle = throttle;
    this.#log = log;
    // Each push in flight listens, and they are bounded by whoever builds the segments.
    setMaxListeners(0, this.#stop.signal);
  }

  /** How long ago the node was given up; undefined while it works. */
  get failedForMs(): number | undefined {
    return this.#failure === undefined ? undefined : performance.now() - this.#failedAtMs;
  }

  /**
   * Resolves once the node has verified and synced the segment; to false where it has not and there are
   * no bytes to send. Rejects if the node is given up.
   */
  async push(segment: OutgoingSegment): Promise<boolean> {
    for (;;) {
      await this.#pause;
      if (this.#failure !== undefined) throw this.#failure;
      const round = this.#round;
      try {
        const { signal } = this.#stop;
        const put = [this.#links, this.node, this.#identity, segment, signal] as const;
        const isStored = await putSegment(...put, this.#throttle);
        this.#attempts = 0;
        return isStored;
      } catch (thrown) {
        if (round === this.#round) this.#afterBreak(toSteleError(thrown));
      }
    }
  }

  /** Ends what is on its way; it rejects. */
  close(error: SteleError): void {
    this.#giveUp(error);
  }

  #afterBreak(error: SteleError): void {
    if (this.#failure !== undefined) return;
    this.#round++;
    this.#attempts++;
    const isFinal = !isWorthRepeating(error) || this.#attempts >= ATTEMPTS_MAX;
    const fields = { node: this.node.id, code: error.code, attempt: this.#attempts, isFinal };
    this.#log.warn(fields, `push interrupted: ${error.message}`);
    if (isFinal) this.#giveUp(error);
    else this.#pause = sleep(RETRY_DELAY_MS * this.#attempts, this.#stop.signal);
  }

  #giveUp(error: SteleError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#failedAtMs = performance.now();
    this.#stop.abort();
    this.#links.close(error);
  }
}

function isWorthRepeating(error: SteleError): boolean {
  // Room does not come back within a second; the others are the table's.
  return error.retryable && error.code !== 'DISK_FULL' && error.code !== 'MEMORY_LIMIT';
}
