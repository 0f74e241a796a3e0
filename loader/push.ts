// Segments to one datanode, over one stream that is opened anew when it breaks.
//
// A push is idempotent: after a break everything that was not acknowledged is offered again, and the
// node says what it has. Several breaks in a row without a single acknowledgement between them, or an
// error that repeating cannot mend (no room, another process at that address), fail the node: all its
// pushes reject, and it is for delivery.ts to do without it or to come back later.

import { toSteleError } from '../base/errors.ts';
import type { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { sleep } from '../base/clock.ts';
import type { NodeView } from '../proto/gen/stele/v1/view.ts';
import { runPushStream } from './push-stream.ts';
import type { OutgoingSegment, PushIdentity, PushQueue } from './push-stream.ts';

const ATTEMPTS_MAX = 4;
const RETRY_DELAY_MS = 250;

interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: SteleError) => void;
}

export class NodePusher {
  readonly node: NodeView;
  readonly #identity: PushIdentity;
  readonly #log: Logger;
  readonly #settleById = new Map<string, Settle>();
  readonly #queue: PushQueue;
  readonly #stop = new AbortController();
  #failure: SteleError | undefined;
  #failedAtMs = 0;
  #attempts = 0;
  #running: Promise<void> | undefined;

  constructor(node: NodeView, identity: PushIdentity, log: Logger) {
    this.node = node;
    this.#identity = identity;
    this.#log = log;
    this.#queue = {
      waiting: [],
      offered: new Map(),
      isClosed: false,
      wake: () => undefined,
      onStored: (segment) => this.#stored(segment),
    };
  }

  /** How long ago the node was given up; undefined while it works. */
  get failedForMs(): number | undefined {
    return this.#failure === undefined ? undefined : performance.now() - this.#failedAtMs;
  }

  /** Resolves once the node has verified and synced the segment; rejects if the node is given up. */
  push(segment: OutgoingSegment): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#settleById.set(segment.info.id, { resolve, reject });
      this.#queue.waiting.push(segment);
      this.#queue.wake();
      this.#running ??= this.#run();
    });
  }

  /** Ends the stream; what was not acknowledged rejects. */
  async close(error: SteleError): Promise<void> {
    this.#queue.isClosed = true;
    this.#giveUp(error);
    this.#stop.abort();
    this.#queue.wake();
    await this.#running;
  }

  #stored(segment: OutgoingSegment): void {
    this.#attempts = 0;
    this.#settleById.get(segment.info.id)?.resolve();
    this.#settleById.delete(segment.info.id);
  }

  /** Never rejects: failures go to the pushes. */
  async #run(): Promise<void> {
    while (this.#failure === undefined) {
      try {
        await runPushStream(this.node, this.#identity, this.#queue);
        return;
      } catch (thrown) {
        await this.#afterBreak(toSteleError(thrown));
      }
    }
  }

  async #afterBreak(error: SteleError): Promise<void> {
    if (this.#failure !== undefined) return;
    this.#attempts++;
    const isFinal = !isWorthRepeating(error) || this.#attempts >= ATTEMPTS_MAX;
    const fields = { node: this.node.id, code: error.code, attempt: this.#attempts, isFinal };
    this.#log.warn(fields, `push interrupted: ${error.message}`);
    if (isFinal) {
      this.#giveUp(error);
      return;
    }
    this.#queue.waiting.unshift(...this.#queue.offered.values());
    this.#queue.offered.clear();
    await sleep(RETRY_DELAY_MS * this.#attempts, this.#stop.signal);
  }

  #giveUp(error: SteleError): void {
    this.#failure ??= error;
    this.#failedAtMs = performance.now();
    this.#queue.waiting.length = 0;
    this.#queue.offered.clear();
    const settles = [...this.#settleById.values()];
    this.#settleById.clear();
    for (const { reject } of settles) reject(error);
  }
}

function isWorthRepeating(error: SteleError): boolean {
  // Room does not come back within a second; the others are the table's.
  return error.retryable && error.code !== 'DISK_FULL' && error.code !== 'MEMORY_LIMIT';
}
