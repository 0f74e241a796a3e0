// The library client: reads directly from the datanodes, following the cluster's topology.
//
//   key -> slot -> shard -> replicas of the view -> batched lookup at one of them
//
// Routing, retries, hedging and batching are shared with the master (routing/): a failed replica
// costs one hop and is asked last for a while, a slow one is helped by a second, and there is no
// other retry layer. All keys of one getMany() are read from one version, chosen when it starts.

import { monotonicNowMs, tickNowMs } from '../base/clock.ts';
import { GrpcLinkFactory } from '../transport/grpc-link.ts';
import type { TlsIdentity } from '../transport/tls/tls-identity.ts';
import type { ClusterView, KeyspaceView } from '../proto/gen/stele/v1/view.ts';
import type { LinkFactory } from '../proto/ports.ts';
import { Dispatcher } from '../routing/dispatcher.ts';
import { ReplicaCaller } from '../routing/replica-caller.ts';
import { Router } from '../routing/router.ts';
import type { LookupTarget } from '../routing/router.ts';
import { newWaitingKey } from '../routing/waiting.ts';
import { shardOfSlot } from '../ring/shard.ts';
import { slotOfKey } from '../ring/slot.ts';
import { DatanodeLinks } from '../routing/datanode-links.ts';
import { identityOf } from './identity.ts';
import type { IdentityOptions } from './identity.ts';
import { scanVersion } from './key-scan.ts';
import type { ScanOptions } from './key-scan.ts';
import { PendingRead } from './pending-read.ts';
import { admitKeys, checkDeadline, checkKeyspace, keyBytes, throwIfEnded } from './read-options.ts';
import type {
  ClientScope,
  Key,
  KeyspaceInfo,
  ManyResult,
  PartialResult,
  ReadOptions,
  Value,
} from './read-options.ts';
import { watchVersions } from './version-watch.ts';
import type { VersionChange } from './version-watch.ts';
import { ViewWatcher } from '../routing/view-watcher.ts';
import type { ClientViews } from '../routing/view-watcher.ts';

export interface SteleClientOptions extends IdentityOptions {
  /** gRPC addresses of masters, `host:port`. */
  readonly seeds: readonly string[];
  /** Budget of one get or getMany in ms, including retries. Default: 1,000. */
  readonly deadlineMs?: number;
  /** The zone of this program; copies on datanodes of this zone are preferred. */
  readonly zone?: string;
}

/** Counts since the client was created. */
export interface ClientStats {
  /** Keys asked for and not settled. */
  readonly keysInFlight: number;
  /** Keys sent to another replica because one had failed. */
  readonly retries: number;
  /** Keys sent to a second replica because the first was slow. */
  readonly hedges: number;
  /** Keys that no replica could answer. */
  readonly unavailable: number;
}

/** The source of views and connections: gRPC, or a test's own. */
export interface ClientParts {
  readonly views: ClientViews;
  readonly factory: LinkFactory;
  readonly tls?: TlsIdentity | undefined;
}

const DEADLINE_MS_DEFAULT = 1000;

/**
 * A client of one cluster. Safe to use concurrently: lookups of one event-loop turn share a message
 * per datanode. Call close() at the end, or the process stays alive.
 */
export class SteleClient {
  readonly #views: ClientViews;
  readonly #tls: TlsIdentity | undefined;
  readonly #links: DatanodeLinks;
  readonly #router: Router;
  readonly #dispatcher: Dispatcher;
  readonly #caller: ReplicaCaller;
  readonly #deadlineMs: number;
  readonly #closing = new AbortController();
  readonly #scope: ClientScope = { closing: this.#closing.signal, keysInFlight: 0 };

  /**
   * Throws INVALID_ARGUMENT. Connects in the background; the first call waits for the connection.
   */
  constructor(options: SteleClientOptions, parts: ClientParts = partsOf(options)) {
    const { deadlineMs = DEADLINE_MS_DEFAULT, zone = '' } = options;
    checkDeadline(deadlineMs);
    this.#router = new Router({ zone });
    this.#deadlineMs = deadlineMs;
    this.#views = parts.views;
    this.#tls = parts.tls;
    this.#links = new DatanodeLinks(parts.factory, monotonicNowMs);
    const shared = {
      router: this.#router,
      links: this.#links.to,
      whyNoLink: this.#links.whyNot,
      nowMs: monotonicNowMs,
    };
    this.#caller = new ReplicaCaller(shared);
    this.#dispatcher = new Dispatcher({ ...shared, deadlineMs, tickNowMs, owner: 'The client' });
    if (parts.views.view !== undefined) this.#follow(parts.views.view);
    parts.views.subscribe((view) => this.#follow(view));
  }

  /**
   * The value of one key, or null if it does not exist; never null for "unknown". Throws
   * KEYSPACE_NOT_FOUND, UNAVAILABLE, UNINITIALIZED, SUSPENDED, OVERLOADED, KEY_TOO_LONG, CANCELLED,
   * INVALID_ARGUMENT.
   */
  async get(keyspace: string, key: Key, options: ReadOptions = {}): Promise<Value> {
    const read = await this.#read(keyspace, [key], options);
    if (read.unavailable > 0) throw read.incomplete();
    return read.values[0] ?? null;
  }

  /**
   * The values of many keys, all of one version. Throws like get(), and BATCH_TOO_LARGE. If only
   * some keys are unknown it throws too, unless `partial` asks for the others.
   */
  getMany(
    keyspace: string,
    keys: readonly Key[],
    options?: ReadOptions & { readonly partial?: false },
  ): Promise<ManyResult>;
  getMany(
    keyspace: string,
    keys: readonly Key[],
    options: ReadOptions & { readonly partial: true },
  ): Promise<PartialResult>;
  async getMany(
    keyspace: string,
    keys: readonly Key[],
    options: ReadOptions & { readonly partial?: boolean } = {},
  ): Promise<ManyResult | PartialResult> {
    const read = await this.#read(keyspace, keys, options);
    const { failure, target, unavailable, values } = read;
    if (options.partial === true) return { version: target.version, values, unavailable, failure };
    if (unavailable > 0) throw read.incomplete();
    // No value is undefined, because all keys were answered.
    return { version: target.version, values: values as Value[] };
  }

  /**
   * All keys of the version that is current when the scan starts, each once, in no meaningful
   * order. A scan is never truncated silently: it throws VERSION_NOT_FOUND if its version is no
   * longer kept, UNAVAILABLE if no replica of a shard answers, and the errors of get().
   */
  async *scan(
    keyspace: string,
    options: ScanOptions = {},
  ): AsyncGenerator<Buffer, void, undefined> {
    checkKeyspace(keyspace);
    await this.#ready(options);
    const target = this.#router.target(keyspace);
    const parts = { router: this.#router, caller: this.#caller, scope: this.#scope };
    yield* scanVersion({ ...parts, nowMs: monotonicNowMs }, target, options);
  }

  /**
   * Yields the current version of a keyspace, and then each version that becomes current, also by a
   * rollback. A slow consumer gets only the newest. Continues until the caller leaves it; throws
   * CANCELLED when `signal` aborts or the client is closed.
   */
  async *watch(
    keyspace: string,
    options: ReadOptions = {},
  ): AsyncGenerator<VersionChange, void, undefined> {
    checkKeyspace(keyspace);
    await this.#ready(options);
    yield* watchVersions(this.#views, this.#scope, keyspace, options.signal);
  }

  /** The keyspaces, by name. Throws UNAVAILABLE if no master has answered yet. */
  async keyspaces(options: ReadOptions = {}): Promise<KeyspaceInfo[]> {
    const view = await this.#ready(options);
    return view.keyspaces.map(infoOf).sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  stats(): ClientStats {
    const { hedges, retries, unavailable } = this.#dispatcher;
    return { keysInFlight: this.#scope.keysInFlight, retries, hedges, unavailable };
  }

  /** Ends all streams and timers. Calls in flight fail with CANCELLED, and so do later ones. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#dispatcher.close();
    this.#links.close();
    this.#tls?.close();
    await this.#views.close();
  }

  #follow(view: ClusterView): void {
    if (this.#closing.signal.aborted) return;
    this.#router.update(view);
    this.#links.update(view);
    this.#dispatcher.viewChanged();
  }

  /** The view, once there is one. */
  async #ready({ deadlineMs = this.#deadlineMs, signal }: ReadOptions): Promise<ClusterView> {
    throwIfEnded(this.#scope, signal);
    checkDeadline(deadlineMs);
    if (this.#views.view !== undefined) return this.#views.view;
    try {
      return await this.#views.firstView(deadlineMs, signal);
    } finally {
      throwIfEnded(this.#scope, signal);
    }
  }

  /**
   * Starts a read. Its keys count as in flight from now on, also while it waits for the first view.
   */
  #read(keyspace: string, keys: readonly Key[], options: ReadOptions): Promise<PendingRead> {
    const { deadlineMs = this.#deadlineMs, signal } = options;
    checkDeadline(deadlineMs);
    checkKeyspace(keyspace);
    throwIfEnded(this.#scope, signal);
    const deadlineAtMs = tickNowMs() + deadlineMs;
    admitKeys(this.#scope, keys);
    if (this.#views.view !== undefined) return this.#ask(keyspace, keys, deadlineAtMs, signal);
    return this.#ready(options).then(
      () => this.#ask(keyspace, keys, deadlineAtMs, signal),
      (thrown: unknown) => this.#withdraw(keys, thrown),
    );
  }

  #ask(
    keyspace: string,
    keys: readonly Key[],
    deadlineAtMs: number,
    signal: AbortSignal | undefined,
  ): Promise<PendingRead> {
    let target: LookupTarget;
    let bytes: Uint8Array[];
    try {
      target = this.#router.target(keyspace);
      bytes = keys.map(keyBytes);
    } catch (thrown) {
      return this.#withdraw(keys, thrown);
    }
    const { shardCount } = this.#router.table;
    return new Promise((resolve, reject) => {
      const read = new PendingRead(this.#scope, target, keys.length, signal, resolve, reject);
      for (let index = 0; index < bytes.length && !read.abandoned; index++) {
        const key = bytes[index] as Uint8Array;
        const shard = shardOfSlot(slotOfKey(key, 0, key.length), shardCount);
        this.#dispatcher.submit(newWaitingKey(target, key, shard, read, index, deadlineAtMs));
      }
    });
  }

  /** Subtracts keys that will not be sent after all, and throws `thrown`. */
  #withdraw(keys: readonly Key[], thrown: unknown): never {
    this.#scope.keysInFlight -= keys.length;
    throw thrown;
  }
}

function infoOf(keyspace: KeyspaceView): KeyspaceInfo {
  const { currentVersion: version, name, records, suspended = false, versions } = keyspace;
  return { name, version, versions: [...versions], records, suspended };
}

function partsOf(options: SteleClientOptions): ClientParts {
  const identity = identityOf(options);
  const tls = identity.tls?.watch();
  const views = new ViewWatcher(options.seeds, identity);
  return { views, factory: new GrpcLinkFactory(identity), tls };
}
