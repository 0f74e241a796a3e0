// Pushes segments to one datanode, several at a time, over connections that are used again
// (transport/segment-push.ts).
//
// A push is idempotent: after a broken connection it is repeated, and a node that already has the
// segment acknowledges it without a transfer. Several failures in a row without an acknowledgement
// in between, or an error that a retry cannot cure (no room, another process at that address), fail
// the node: all its pushes reject, and delivery.ts does without it or tries it again later.
//
// The bytes are written from the segment's memory in slices, without a copy; the next slice is
// written once the system has taken the one before, so a node that takes nothing is noticed.

import { setMaxListeners } from 'node:events';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { sleep } from '../../base/clock.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import type { TierWord } from '../../proto/view-words.ts';
import type { SegmentAnnouncement, SegmentOrigin } from '../../proto/segment-transfer.ts';
import { PushConnections } from '../../transport/segment-push.ts';
import type { PushConnection } from '../../transport/segment-push.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import { Throttle } from '../bytes/throttle.ts';

const ATTEMPTS_MAX = 4;
const RETRY_DELAY_MS = 250;
const NO_LIMIT = new Throttle(0);

/**
 * A segment to push. `bytes` lies in a SharedArrayBuffer and must not change until the push has
 * ended; undefined only asks whether the node has the segment.
 */
export interface SegmentToPush {
  readonly info: SegmentInfo;
  readonly bytes: Uint8Array | undefined;
  /** In place of the bytes. */
  readonly source?: SegmentSource;
}

/** What a datanode pulls a segment out of. */
interface SegmentSource {
  readonly origin: SegmentOrigin;
  /** Called while a datanode pulls it, with the bytes so far. */
  readonly onPulling?: (nodeId: string, bytesDone: number) => void;
}

/** The load that a pushed segment belongs to. */
export interface PushIdentity {
  readonly keyspaceUid: string;
  readonly loadId: string;
  /** Of the keyspace, if the load sets it. */
  readonly tier?: TierWord | undefined;
}

interface PushOptions {
  readonly identity: PushIdentity;
  readonly throttle: Throttle;
  /** Default: without TLS and user. */
  readonly dialAs?: DialIdentity;
  readonly log: Logger;
}

export class NodePusher {
  readonly node: NodeView;
  readonly #identity: PushIdentity;
  readonly #throttle: Throttle;
  readonly #log: Logger;
  readonly #links: PushConnections;
  readonly #stop = new AbortController();
  #failure: SteleError | undefined;
  #failedAtMs = 0;
  #attempts = 0;
  /** Counts the failures; pushes that fail together count as one. */
  #round = 0;
  #pause: Promise<void> = Promise.resolve();

  constructor(node: NodeView, { dialAs, identity, log, throttle }: PushOptions) {
    this.node = node;
    this.#links = new PushConnections(node, dialAs);
    this.#identity = identity;
    this.#throttle = throttle;
    this.#log = log;
    // Each push in flight adds a listener; shard-stage.ts bounds their number.
    setMaxListeners(0, this.#stop.signal);
  }

  /** Milliseconds since the node failed; undefined while it works. */
  get failedForMs(): number | undefined {
    return this.#failure === undefined ? undefined : performance.now() - this.#failedAtMs;
  }

  /**
   * Resolves with true once the node has verified and synced the segment; with false if the node
   * lacks it and there are no bytes to send. Rejects when the node fails.
   */
  async push(segment: SegmentToPush): Promise<boolean> {
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

  /** Fails the node: pushes in flight reject with `error`. */
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
  // Disk space and memory do not become free within a second.
  return error.retryable && error.code !== 'DISK_FULL' && error.code !== 'MEMORY_LIMIT';
}

/**
 * Pushes one segment once. Resolves with true when the node has verified and synced it or had it
 * before, with false if the node wants bytes that `segment` does not have. Rejects with the node's
 * own error, UNAVAILABLE for a broken connection, DEADLINE_EXCEEDED, or CANCELLED when `signal`
 * aborts.
 */
export async function putSegment(
  links: PushConnections,
  node: NodeView,
  identity: PushIdentity,
  segment: SegmentToPush,
  signal: AbortSignal,
  throttle = NO_LIMIT,
): Promise<boolean> {
  const link = await links.acquire(signal);
  const onAbort = (): void => link.close(new SteleError('CANCELLED', 'The load has ended.'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const announced = announcementOf(node, identity, segment);
    const { source } = segment;
    if (source !== undefined) {
      const onPulling = (bytesDone: number): void => source.onPulling?.(node.id, bytesDone);
      await link.pull(announced, source.origin, onPulling);
      return true;
    }
    if ((await link.ask(announced)) === 'stored') return true;
    if (segment.bytes === undefined) {
      // The node waits for bytes on this connection, so it cannot be used again.
      link.close(new SteleError('UNAVAILABLE', 'The segment was only asked for.'));
      return false;
    }
    await sendBytes(link, segment.bytes, throttle, signal);
    await link.stored();
    return true;
  } finally {
    signal.removeEventListener('abort', onAbort);
    links.release(link);
  }
}

function announcementOf(
  node: NodeView,
  identity: PushIdentity,
  { info }: SegmentToPush,
): SegmentAnnouncement {
  return {
    ...identity,
    segmentId: info.id,
    byteLength: info.fileBytes,
    expectNode: node.id,
    expectIncarnation: node.incarnation,
  };
}

async function sendBytes(
  link: PushConnection,
  bytes: Uint8Array,
  throttle: Throttle,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < bytes.length;) {
    const end = Math.min(bytes.length, start + throttle.sliceBytes);
    if (throttle.isOn) await throttle.wait(end - start, signal);
    await link.send(bytes.subarray(start, end));
    start = end;
  }
}
