// The library client: reads straight from the datanodes, following the cluster's topology.
//
//   key -> slot -> shard -> nodes of the view, best first -> batched stream to one of them
//
// There is one retry layer, here: a node that fails or does not know is left for the next replica
// at once; when all were tried, the view is awaited anew until the deadline. All keys of one
// getMany() are read from one version.

import { monotonicNowMs, sleep } from '../base/clock.ts';
import { SteleError, toSteleError, suspendedError } from '../base/errors.ts';
import { KEY_BYTES_MAX } from '../base/limits.ts';
import { GrpcLinkFactory } from '../proto/grpc-link.ts';
import { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import { NodeState } from '../proto/gen/stele/v1/view.ts';
import type { ClusterView, KeyspaceView, NodeView } from '../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory } from '../proto/ports.ts';
import { shardOfSlot } from '../ring/shard.ts';
import { slotOfKey } from '../ring/slot.ts';
import { ViewWatcher } from './view-watcher.ts';

export interface SteleClientOptions {
  /** gRPC addresses of masters, `host:port`. */
  readonly seeds: readonly string[];
  /** Budget of one get or getMany, retries included; default 1,000 ms. */
  readonly deadlineMs?: number;
}

export interface ReadOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export type Key = string | Uint8Array;

/** One answer of getMany: the value's bytes, or null where the key is not in the keyspace. */
export type Value = Buffer | null;

export interface ManyResult {
  /** The one version that all values are of. */
  readonly version: number;
  /** In the order of the keys. */
  readonly values: Value[];
}

const DEADLINE_MS_DEFAULT = 1000;
const RETRY_PAUSE_MS = 20;
/** One node's share of the budget, so that a silent node leaves time for another. */
const ATTEMPT_DEADLINE_MS = 250;

/**
 * A client of one cluster. Safe to use from many places at once: lookups of one event-loop turn
 * share a message per datanode. close() when done, or the process stays alive.
 */
export class SteleClient {
  readonly #watcher: ViewWatcher;
  readonly #factory: LinkFactory = new GrpcLinkFactory();
  readonly #links = new Map<string, DatanodeLink>();
  readonly #deadlineMs: number;
  #spread = 0;

  constructor(options: SteleClientOptions) {
    this.#watcher = new ViewWatcher(options.seeds);
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS_DEFAULT;
    this.#watcher.subscribe((view) => this.#dropStaleLinks(view));
  }

  /**
   * The value of one key, null if there is none. Throws KEYSPACE_NOT_FOUND, UNAVAILABLE,
   * DEADLINE_EXCEEDED or CANCELLED; never null for "cannot know".
   */
  async get(keyspace: string, key: Key, options: ReadOptions = {}): Promise<Value> {
    const { values } = await this.getMany(keyspace, [key], options);
    return values[0] ?? null;
  }

  /** The values of many keys, all of one version. Throws as get() does when any cannot be known. */
  async getMany(
    keyspace: string,
    keys: readonly Key[],
    options: ReadOptions = {},
  ): Promise<ManyResult> {
    const deadlineAtMs = monotonicNowMs() + (options.deadlineMs ?? this.#deadlineMs);
    const view = await this.#watcher.firstView(deadlineAtMs - monotonicNowMs());
    const target = keyspaceOf(view, keyspace);
    const read = new ManyRead(keys.map(toBytes), target);
    while (read.open.size > 0) {
      const progressed = await this.#attempt(read, deadlineAtMs, options.signal);
      if (options.signal?.aborted === true) throw new SteleError('CANCELLED', 'Cancelled.');
      if (read.open.size === 0) break;
      if (monotonicNowMs() >= deadlineAtMs) throw read.failure();
      if (!progressed) {
        read.tried.clear();
        await sleep(RETRY_PAUSE_MS, options.signal);
      }
    }
    return { version: target.currentVersion, values: read.values };
  }

  /** Ends all streams and timers; calls in flight fail. */
  async close(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    await this.#watcher.close();
  }

  /** Asks one replica for each open key; false when there was none left to ask. */
  async #attempt(
    read: ManyRead,
    deadlineAtMs: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const view = this.#watcher.view;
    if (view === undefined) return false;
    const groups = this.#groupByNode(read, view);
    const deadlineMs = Math.max(1, Math.min(ATTEMPT_DEADLINE_MS, deadlineAtMs - monotonicNowMs()));
    const asks = [...groups].map(([node, indexes]) =>
      this.#ask(read, node, indexes, { deadlineMs, ...(signal === undefined ? {} : { signal }) }),
    );
    await Promise.all(asks);
    return asks.length > 0;
  }

  #groupByNode(read: ManyRead, view: ClusterView): Map<NodeView, number[]> {
    const groups = new Map<NodeView, number[]>();
    for (const index of read.open) {
      const key = read.keys[index];
      if (key === undefined) continue;
      const shard = shardOfSlot(slotOfKey(key, 0, key.length), view.shardCount);
      const node = this.#pick(view, shard, read.tried.get(index));
      if (node === undefined) continue;
      const group = groups.get(node);
      if (group === undefined) groups.set(node, [index]);
      else group.push(index);
    }
    return groups;
  }

  /** Spreads reads over the replicas of a shard; SUSPECT ones only when nothing else is left. */
  #pick(view: ClusterView, shard: number, tried: Set<string> | undefined): NodeView | undefined {
    const nodes = (view.routes[shard]?.nodes ?? [])
      .flatMap((at) => view.nodes[at] ?? [])
      .filter((node) => tried?.has(node.id) !== true);
    const good = nodes.filter((node) => node.state !== NodeState.SUSPECT);
    const candidates = good.length > 0 ? good : nodes;
    return candidates[this.#spread++ % candidates.length];
  }

  async #ask(
    read: ManyRead,
    node: NodeView,
    indexes: readonly number[],
    options: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<void> {
    for (const index of indexes) read.markTried(index, node.id);
    const keys = indexes.map((index) => read.keys[index] ?? new Uint8Array(0));
    const target = { keyspaceUid: read.target.uid, version: read.target.currentVersion };
    try {
      await this.#linkTo(node).lookups.lookup(
        target,
        keys,
        (at, status, bytes, start, end) => {
          read.answer(indexes[at] ?? 0, status, bytes, start, end);
        },
        options,
      );
    } catch (thrown) {
      read.lastError = toSteleError(thrown);
    }
  }

  #linkTo(node: NodeView): DatanodeLink {
    const name = linkName(node);
    let link = this.#links.get(name);
    if (link === undefined) {
      const { address } = node;
      if (address === undefined) throw new SteleError('INTERNAL', `${node.id} has no address.`);
      link = this.#factory.connect({ nodeId: node.id, address });
      this.#links.set(name, link);
    }
    return link;
  }

  #dropStaleLinks(view: ClusterView): void {
    const present = new Set(view.nodes.map(linkName));
    for (const [name, link] of this.#links) {
      if (present.has(name)) continue;
      this.#links.delete(name);
      link.close();
    }
  }
}

/** The state of one getMany: what is open, what was answered, who was asked. */
class ManyRead {
  readonly keys: readonly Uint8Array[];
  readonly target: KeyspaceView;
  readonly values: Value[];
  readonly open: Set<number>;
  readonly tried = new Map<number, Set<string>>();
  lastError: SteleError | undefined;

  constructor(keys: readonly Uint8Array[], target: KeyspaceView) {
    this.keys = keys;
    this.target = target;
    this.values = keys.map(() => null);
    this.open = new Set(keys.keys());
  }

  markTried(index: number, nodeId: string): void {
    const tried = this.tried.get(index);
    if (tried === undefined) this.tried.set(index, new Set([nodeId]));
    else tried.add(nodeId);
  }

  answer(index: number, status: LookupStatus, bytes: Uint8Array, start: number, end: number): void {
    if (status !== LookupStatus.OK && status !== LookupStatus.NOT_FOUND) return;
    this.open.delete(index);
    // Copied: the bytes belong to a message that other answers share.
    if (status === LookupStatus.OK) this.values[index] = Buffer.from(bytes.subarray(start, end));
  }

  failure(): SteleError {
    return new SteleError(
      'UNAVAILABLE',
      `${this.open.size} of ${this.keys.length} keys of '${this.target.name}' cannot be read at the moment${this.lastError === undefined ? '' : ` (${this.lastError.message})`}`,
    );
  }
}

function keyspaceOf(view: ClusterView, name: string): KeyspaceView {
  const keyspace = view.keyspaces.find((candidate) => candidate.name === name);
  if (keyspace?.suspended === true) throw suspendedError(name);
  if (keyspace !== undefined && keyspace.currentVersion > 0) return keyspace;
  if (!view.ready) {
    throw new SteleError('UNINITIALIZED', 'The cluster is not ready yet; try again.');
  }
  throw new SteleError('KEYSPACE_NOT_FOUND', `There is no keyspace '${name}'.`);
}

function toBytes(key: Key): Uint8Array {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  if (bytes.length <= KEY_BYTES_MAX) return bytes;
  throw new SteleError(
    'KEY_TOO_LONG',
    `A key has ${bytes.length} bytes; ${KEY_BYTES_MAX} are allowed.`,
  );
}

function linkName(node: NodeView): string {
  return `${node.id}@${node.address?.host ?? ''}:${node.address?.grpcPort ?? 0}`;
}
