// Delivers segments to all their owners. The owners that fail do not matter as long as enough
// others have the segment; if too few do, delivery waits for the master's next answers, which name
// new owners or the old one again. Pushes to a node that the master has not named for a while are
// ended: such a node is down, and its open connection would be waited for.

import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import { NodePusher } from './push.ts';
import type { SegmentToPush, PushIdentity } from './push.ts';
import type { Targets } from './targets.ts';
import type { Throttle } from '../bytes/throttle.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';

/** A failed node is tried again after this, if the master still names it. */
const FAILED_NODE_REST_MS = 2_000;
const ANSWER_WAIT_MS_MAX = 1_000;
/** Longer than the master leaves a node out because one heartbeat was late. */
const DEPARTED_MS_MIN = 2_500;
/** A node that has acknowledged nothing for this long is reported as awaited. */
const AWAITED_MS_MIN = 2_000;

export interface DeliveryOptions {
  readonly targets: Targets;
  readonly identity: PushIdentity;
  /** Replicas that a shard needs; may change with the targets. */
  readonly minReplicas: () => number;
  readonly replicaWaitMs: number;
  /** For all nodes together. */
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  /** Default: without TLS and user. */
  readonly dialAs?: DialIdentity;
  readonly log: Logger;
  /** Called with the node's id when it has acknowledged a segment. */
  readonly onAcknowledged?: (nodeId: string) => void;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  /** By node id, incarnation and address: a restarted node gets a new one. */
  readonly #pushers = new Map<string, NodePusher>();
  /** By the same key: since when the master has not named the node. */
  readonly #departedAtMs = new Map<string, number>();
  /** By node id: pushes in flight, and when the last one succeeded or the first one began. */
  readonly #awaited = new Map<string, { pushes: number; sinceMs: number }>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.close(), { once: true });
  }

  /**
   * Delivers one segment. Resolves with the nodes that have acknowledged it, at least
   * `minReplicas`. Throws MEMORY_LIMIT as soon as too few nodes have room, REPLICAS_MISSING after
   * `replicaWaitMs`, CANCELLED when the load is stopped.
   */
  async deliver(segment: SegmentToPush): Promise<string[]> {
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
      if (lastError?.code === 'MEMORY_LIMIT') throw doesNotFit(lastError);
      if (lastError !== undefined && isFinal(segment, lastError)) throw lastError;
      waitsUntilMs ??= performance.now() + replicaWaitMs;
      if (performance.now() >= waitsUntilMs) throw this.#missing(segment, acknowledged, lastError);
      await targets.nextAnswer(ANSWER_WAIT_MS_MAX, signal);
    }
  }

  /** Resolves with the owners that have the segment already. Sends nothing. */
  async holders(info: SegmentInfo): Promise<string[]> {
    const acknowledged = new Set<string>();
    const owners = this.#options.targets.ownersOf(info.shard);
    await this.#pushToAll({ info, bytes: undefined }, owners, acknowledged);
    return [...acknowledged];
  }

  /**
   * Ends pushes to nodes that the master no longer names. To be called after each answer of the
   * master.
   */
  endDeparted(): void {
    const named = new Set(this.#options.targets.owners.map(keyOf));
    const nowMs = performance.now();
    for (const [key, pusher] of this.#pushers) {
      if (named.has(key)) {
        this.#departedAtMs.delete(key);
        continue;
      }
      const sinceMs = this.#departedAtMs.get(key) ?? nowMs;
      this.#departedAtMs.set(key, sinceMs);
      if (nowMs - sinceMs < DEPARTED_MS_MIN) continue;
      const text = `datanode ${pusher.node.id} left while segments were sent to it.`;
      this.#options.log.warn({ node: pusher.node.id }, text);
      pusher.close(new SteleError('UNAVAILABLE', text));
      this.#pushers.delete(key);
      this.#departedAtMs.delete(key);
    }
  }

  /** Ids of the nodes that segments are sent to and that have acknowledged nothing for a while. */
  awaited(): string[] {
    const nowMs = performance.now();
    return [...this.#awaited]
      .filter(([, { pushes, sinceMs }]) => pushes > 0 && nowMs - sinceMs >= AWAITED_MS_MIN)
      .map(([id]) => id)
      .sort();
  }

  async #pushToAll(
    segment: SegmentToPush,
    nodes: readonly NodeView[],
    acknowledged: Set<string>,
  ): Promise<SteleError | undefined> {
    let failure: SteleError | undefined;
    await Promise.all(
      nodes.map(async (node) => {
        const awaited = this.#beginPush(node.id);
        try {
          if (!(await this.#pusherFor(node).push(segment))) return;
          awaited.sinceMs = performance.now();
          acknowledged.add(node.id);
          if (segment.bytes !== undefined || segment.source !== undefined)
            this.#options.onAcknowledged?.(node.id);
        } catch (thrown) {
          failure = worse(segment, failure, toSteleError(thrown));
        } finally {
          awaited.pushes--;
        }
      }),
    );
    return failure;
  }

  #beginPush(nodeId: string): { pushes: number; sinceMs: number } {
    const awaited = this.#awaited.get(nodeId) ?? { pushes: 0, sinceMs: 0 };
    if (awaited.pushes++ === 0) awaited.sinceMs = performance.now();
    this.#awaited.set(nodeId, awaited);
    return awaited;
  }

  #pusherFor(node: NodeView): NodePusher {
    const key = keyOf(node);
    const known = this.#pushers.get(key);
    if (known !== undefined && (known.failedForMs ?? 0) < FAILED_NODE_REST_MS) return known;
    const pusher = new NodePusher(node, this.#options);
    this.#pushers.set(key, pusher);
    return pusher;
  }

  #missing(
    segment: SegmentToPush,
    acknowledged: ReadonlySet<string>,
    cause: SteleError | undefined,
  ): SteleError {
    const minReplicas = this.#options.minReplicas();
    const why = cause === undefined ? '' : ` Last failure: ${cause.message}`;
    const isFull = cause?.code === 'DISK_FULL';
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

/** A restarted node has another incarnation. */
function keyOf({ address, id, incarnation }: NodeView): string {
  return `${id} ${incarnation} ${address?.host}:${address?.httpPort}`;
}

/** What a datanode says of a store, or of a segment in it, that other datanodes will say, too. */
const OF_THE_STORE: ReadonlySet<ErrorCode> = new Set([
  'NOT_FOUND',
  'PERMISSION_DENIED',
  'INVALID_ARGUMENT',
  'CORRUPT',
  'UNKNOWN_FORMAT',
  'UNSUPPORTED',
] as const);

/** Whether waiting cannot cure the failure. */
function isFinal({ source }: SegmentToPush, { code }: SteleError): boolean {
  return code === 'MEMORY_LIMIT' || (source !== undefined && OF_THE_STORE.has(code));
}

/** Of two failures, the one that waiting cannot cure. */
function worse(segment: SegmentToPush, one: SteleError | undefined, other: SteleError): SteleError {
  return one !== undefined && isFinal(segment, one) ? one : other;
}

function doesNotFit(cause: SteleError): SteleError {
  return new SteleError('MEMORY_LIMIT', `The load does not fit: ${cause.message}`, { cause });
}
