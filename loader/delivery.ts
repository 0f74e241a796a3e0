// A segment to all its owners. An owner that fails is done without as long as enough others have the
// segment; where they are too few, the next answers of the master are waited for: they name the new
// owners, or the old one is back.

import { SteleError, toSteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { NodeView } from '../proto/gen/stele/v1/view.ts';
import { NodePusher } from './push.ts';
import type { OutgoingSegment, PushIdentity } from './put-segment.ts';
import type { Targets } from './targets.ts';
import type { Throttle } from './throttle.ts';

/** A node that was given up is tried again after this, if the master still names it. */
const FAILED_NODE_REST_MS = 2_000;
const ANSWER_WAIT_MS_MAX = 1_000;

export interface DeliveryOptions {
  readonly targets: Targets;
  readonly identity: PushIdentity;
  /** May change with the targets. */
  readonly minReplicas: () => number;
  readonly replicaWaitMs: number;
  /** For all nodes together. */
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Called with its id when a node has a segment. */
  readonly onAcknowledged?: (nodeId: string) => void;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  /** By node id, incarnation and address: a restarted node gets a new one. */
  readonly #pushers = new Map<string, NodePusher>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.close(), { once: true });
  }

  /**
   * Resolves with the nodes that have acknowledged, at least `minReplicas`. Throws REPLICAS_MISSING
   * once the wait is over, CANCELLED when the load is stopped.
   */
  async deliver(segment: OutgoingSegment): Promise<string[]> {
    const { minReplicas, replicaWaitMs, signal, targets } = this.#options;
    const acknowledged = new Set<string>();
    let lastError: SteleError | undefined;
    let waitsUntilMs: number | undefined;
    for (;;) {
      if (signal.aborted) throw new SteleError('CANCELLED', 'The load was stopped.');
      const owners = targets.ownersOf(segment.info.shard);
      const missing = owners.filter((node) => !acknowledged.has(node.id));
      lastError = (await this.#pushToAll(segment, missing, acknowledged)) ?? lastError;
      if (acknowledged.size >= minReplicas()) return [...acknowledged];
      waitsUntilMs ??= performance.now() + replicaWaitMs;
      if (performance.now() >= waitsUntilMs) throw this.#missing(segment, acknowledged, lastError);
      await targets.nextAnswer(ANSWER_WAIT_MS_MAX, signal);
    }
  }

  async #pushToAll(
    segment: OutgoingSegment,
    nodes: readonly NodeView[],
    acknowledged: Set<string>,
  ): Promise<SteleError | undefined> {
    let failure: SteleError | undefined;
    await Promise.all(
      nodes.map(async (node) => {
        try {
          await this.#pusherFor(node).push(segment);
          acknowledged.add(node.id);
          this.#options.onAcknowledged?.(node.id);
        } catch (thrown) {
          failure = toSteleError(thrown);
        }
      }),
    );
    return failure;
  }

  #pusherFor(node: NodeView): NodePusher {
    const key = `${node.id} ${node.incarnation} ${node.address?.host}:${node.address?.httpPort}`;
    const known = this.#pushers.get(key);
    if (known !== undefined && (known.failedForMs ?? 0) < FAILED_NODE_REST_MS) return known;
    const { identity, log, throttle } = this.#options;
    const pusher = new NodePusher(node, identity, throttle, log);
    this.#pushers.set(key, pusher);
    return pusher;
  }

  #missing(
    segment: OutgoingSegment,
    acknowledged: ReadonlySet<string>,
    cause: SteleError | undefined,
  ): SteleError {
    const minReplicas = this.#options.minReplicas();
    const why = cause === undefined ? '' : ` Last failure: ${cause.message}`;
    const isFull = cause?.code === 'DISK_FULL' || cause?.code === 'MEMORY_LIMIT';
    const next = isFull ? 'make room there, or add a datanode,' : 'bring one back';
    return new SteleError(
      'REPLICAS_MISSING',
      `Shard ${segment.info.shard} has ${acknowledged.size} of ${minReplicas} replicas, and no other datanode took it; ${next} and run the same command again to resume, or allow fewer with --min-replicas.${why}`,
      { cause },
    );
  }

  /** Ends all connections. */
  close(): void {
    const error = new SteleError('CANCELLED', 'The load has ended.');
    for (const pusher of this.#pushers.values()) pusher.close(error);
  }
}
