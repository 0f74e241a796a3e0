// The read path of the master, shared by HTTP, RESP and gRPC: cache, then route, then ask.
//
// The version is chosen once, when a batch begins; a switch in the middle does not affect the
// batch. During startup a shard without a replica so far is UNINITIALIZED, later it is UNAVAILABLE,
// each for its own keys only.

import { monotonicNowMs, tickNowMs } from '../../../base/clock.ts';
import type { Clock } from '../../../base/clock.ts';
import { clientBytes } from '../../../base/byte-budget.ts';
import { SteleError } from '../../../base/errors.ts';
import { GRPC_MESSAGE_BYTES_MAX, KEY_BYTES_MAX, LOOKUP_KEYS_MAX } from '../../../base/limits.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { ViewSource } from '../../../proto/operations.ts';
import type { DatanodeLink } from '../../../proto/ports.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfKey } from '../../../ring/slot.ts';
import { ValueCache, copyOfCached } from './cache.ts';
import { LookupWindow } from './lookup-window.ts';
import type { CachedValue } from './slab-cache.ts';
import { Dispatcher } from '../../../routing/dispatcher.ts';
import { newWaitingKey } from '../../../routing/waiting.ts';
import type { LookupReceiver } from '../../../routing/waiting.ts';
import { Router } from '../../../routing/router.ts';
import type { LookupTarget } from '../../../routing/router.ts';

/**
 * Value bytes that one lookup() may collect: they fit into one gRPC message with its other fields.
 */
const OUTCOME_BYTES_MAX = GRPC_MESSAGE_BYTES_MAX - 8 * 1024 * 1024;
/** Value bytes that a lookup() requests at a time. */
const WINDOW_BYTES = 16 * 1024 * 1024;

export interface LookupCoreOptions {
  readonly views: ViewSource;
  /** The link to a datanode; undefined while it is offline. */
  readonly links: (nodeId: string) => DatanodeLink | undefined;
  /** Called when a read of this node failed or is overdue. */
  readonly onTrouble?: (nodeId: string) => void;
  /** Replicas in this zone are asked first; empty or absent: no preference. */
  readonly zone?: string;
  /** 0: no cache. */
  readonly cacheMaxBytes: number;
  /** Deadline of a key in milliseconds if the caller sets none. */
  readonly deadlineMs: number;
  readonly nowMs?: Clock;
}

export interface LookupOptions {
  /** 0 or absent: the current version. */
  readonly version?: number;
  readonly deadlineMs?: number;
  /** Value bytes above which the lookup is BATCH_TOO_LARGE; a single larger value is accepted. */
  readonly valueBytesMax?: number;
  /** Aborting rejects with CANCELLED. */
  readonly signal?: AbortSignal;
}

/** The answers to a batch, in the order of its keys, all of one version. */
export interface LookupOutcome {
  readonly target: LookupTarget;
  readonly statuses: readonly LookupStatus[];
  /** The value if the status is OK. */
  readonly values: readonly (Buffer | undefined)[];
  /** The node that answered; empty if none did. */
  readonly nodeIds: readonly string[];
  /** The error of the first UNAVAILABLE key. */
  readonly failure: SteleError | undefined;
}

export class LookupCore {
  readonly router: Router;
  readonly cache: ValueCache;
  readonly dispatcher: Dispatcher;
  readonly #nowMs: Clock;
  readonly #tickNowMs: Clock;
  readonly #deadlineMs: number;
  readonly #unsubscribe: () => void;
  /** Keys requested, including cached ones. */
  keysTotal = 0;

  constructor(options: LookupCoreOptions) {
    this.#nowMs = options.nowMs ?? monotonicNowMs;
    this.#tickNowMs = options.nowMs ?? tickNowMs;
    this.#deadlineMs = options.deadlineMs;
    this.router = new Router(options.zone === undefined ? {} : { zone: options.zone });
    this.cache = new ValueCache(options.cacheMaxBytes);
    this.dispatcher = new Dispatcher({
      ...options,
      router: this.router,
      ...(options.cacheMaxBytes > 0 ? { cache: this.cache } : {}),
      owner: 'The master',
      nowMs: this.#nowMs,
      tickNowMs: this.#tickNowMs,
    });
    this.router.update(options.views.current());
    this.#unsubscribe = options.views.subscribe((view) => {
      this.router.update(view);
      this.dispatcher.viewChanged();
    });
  }

  /** The dataset that reads of a keyspace go to now. Throws as Router.target. */
  target(keyspace: string, version = 0): LookupTarget {
    return this.router.target(keyspace, version);
  }

  /** The default deadline of a read that begins now, for the keys of one command. */
  deadlineFromNow(): number {
    return this.#tickNowMs() + this.#deadlineMs;
  }

  /**
   * Looks up one key. `receiver.receive(index, ...)` is called exactly once, possibly before this
   * returns (a cached value). `key` must not change until then.
   */
  get(
    target: LookupTarget,
    key: Uint8Array,
    receiver: LookupReceiver,
    index: number,
    deadlineAtMs = this.deadlineFromNow(),
  ): void {
    const cached = this.cached(target, key, 0, key.length);
    if (cached === undefined) return this.ask(target, key, receiver, index, deadlineAtMs);
    const { nodeId } = cached;
    receiver.receive(index, LookupStatus.OK, copyOfCached(cached), nodeId, undefined);
  }

  /**
   * The first half of `get`, for callers that can use a cached value in place: it is valid until
   * the next call. The key is bytes[start, end). Counts as a lookup.
   */
  cached(
    target: LookupTarget,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): CachedValue | undefined {
    this.keysTotal++;
    if (!target.cached || !this.cache.enabled) return undefined;
    const found = this.cache.get(target.dataset, bytes, start, end);
    if (found === undefined) target.cacheCounts.misses++;
    else target.cacheCounts.hits++;
    return found;
  }

  /** The second half of `get`: asks the datanodes without a look at the cache. */
  ask(
    target: LookupTarget,
    key: Uint8Array,
    receiver: LookupReceiver,
    index: number,
    deadlineAtMs: number,
  ): void {
    const shard = shardOfSlot(slotOfKey(key, 0, key.length), this.router.table.shardCount);
    this.dispatcher.submit(newWaitingKey(target, key, shard, receiver, index, deadlineAtMs));
  }

  /**
   * Looks up `keys` in one version. Per key OK, NOT_FOUND or UNAVAILABLE. Rejects only for the
   * batch as a whole: UNINITIALIZED, KEYSPACE_NOT_FOUND, VERSION_NOT_FOUND, KEY_TOO_LONG,
   * BATCH_TOO_LARGE, OVERLOADED, CANCELLED; no further keys are then requested. The keys must not
   * change until then.
   */
  lookup(
    keyspace: string,
    keys: readonly Uint8Array[],
    options: LookupOptions = {},
  ): Promise<LookupOutcome> {
    return new Promise((resolve, reject) => {
      const target = this.target(keyspace, options.version);
      checkKeys(keys);
      const deadlineAtMs = this.#nowMs() + (options.deadlineMs ?? this.#deadlineMs);
      const collector = new OutcomeCollector(
        target,
        keys.length,
        options.valueBytesMax ?? OUTCOME_BYTES_MAX,
        (index) => this.get(target, keys[index] as Uint8Array, collector, index, deadlineAtMs),
        { resolve, reject },
      );
      collector.watch(options.signal);
      collector.begin();
    });
  }

  /** Fails pending reads and unsubscribes from the view source. */
  close(): void {
    this.#unsubscribe();
    this.dispatcher.close();
  }
}

/** Throws KEY_TOO_LONG. */
export function checkKeyLength(byteCount: number): void {
  if (byteCount <= KEY_BYTES_MAX) return;
  throw new SteleError(
    'KEY_TOO_LONG',
    `The key has ${byteCount} bytes; a key has at most ${KEY_BYTES_MAX}.`,
  );
}

/** The error for a lookup of more than LOOKUP_KEYS_MAX keys. */
export function tooManyKeys(keyCount: number): SteleError {
  return new SteleError(
    'BATCH_TOO_LARGE',
    `${keyCount} keys in one lookup; send at most ${LOOKUP_KEYS_MAX}.`,
  );
}

function checkKeys(keys: readonly Uint8Array[]): void {
  if (keys.length > LOOKUP_KEYS_MAX) throw tooManyKeys(keys.length);
  for (const key of keys) checkKeyLength(key.length);
}

interface Settle {
  readonly resolve: (outcome: LookupOutcome) => void;
  readonly reject: (error: SteleError) => void;
}

class OutcomeCollector implements LookupReceiver, LookupOutcome {
  readonly target: LookupTarget;
  readonly statuses: LookupStatus[];
  readonly values: (Buffer | undefined)[];
  readonly nodeIds: string[];
  failure: SteleError | undefined;
  abandoned = false;
  readonly #window: LookupWindow;
  readonly #valueBytesMax: number;
  readonly #ask: (index: number) => void;
  readonly #settle: Settle;
  #unwatch: () => void = () => undefined;
  /** The next key to request. */
  #next = 0;
  #isAsking = false;
  #answered = 0;
  #bytes = 0;

  constructor(
    target: LookupTarget,
    keyCount: number,
    valueBytesMax: number,
    ask: (index: number) => void,
    settle: Settle,
  ) {
    this.target = target;
    this.statuses = Array.from<LookupStatus>({ length: keyCount }).fill(LookupStatus.UNAVAILABLE);
    this.values = Array.from({ length: keyCount });
    this.nodeIds = Array.from<string>({ length: keyCount }).fill('');
    this.#window = new LookupWindow(Math.min(WINDOW_BYTES, valueBytesMax), keyCount);
    this.#valueBytesMax = valueBytesMax;
    this.#ask = ask;
    this.#settle = settle;
  }

  watch(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const cancel = (): void => this.#abandon('CANCELLED', 'The lookup was cancelled.');
    if (signal.aborted) return cancel();
    signal.addEventListener('abort', cancel, { once: true });
    this.#unwatch = () => signal.removeEventListener('abort', cancel);
  }

  begin(): void {
    if (this.statuses.length === 0) this.#finish();
    else this.#askMore();
  }

  receive(
    index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    nodeId: string,
    failure: SteleError | undefined,
  ): void {
    if (this.abandoned) return;
    const byteCount = value?.length ?? 0;
    this.statuses[index] = status;
    this.values[index] = value;
    this.nodeIds[index] = nodeId;
    this.failure ??= failure;
    this.#answered++;
    this.#bytes += byteCount;
    clientBytes.usedBytes += byteCount;
    this.#window.note(byteCount);
    // One value always fits.
    if (this.#bytes > this.#valueBytesMax && this.#bytes > byteCount && byteCount > 0) {
      const text = `The values have more than ${this.#valueBytesMax} bytes together; ask for fewer.`;
      return this.#abandon('BATCH_TOO_LARGE', text);
    }
    if (byteCount > 0 && clientBytes.isFull) {
      return this.#abandon('OVERLOADED', 'Clients have too much in flight; try again later.');
    }
    if (this.#answered === this.statuses.length) this.#finish();
    else this.#askMore();
  }

  /** Answers may arrive while a key is being requested. */
  #askMore(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const keyCount = this.statuses.length;
    while (
      this.#next < keyCount &&
      !this.abandoned &&
      this.#next - this.#answered < this.#window.size
    ) {
      this.#ask(this.#next++);
    }
    this.#isAsking = false;
  }

  #finish(): void {
    this.#letGo();
    this.#settle.resolve(this);
  }

  #abandon(code: 'CANCELLED' | 'BATCH_TOO_LARGE' | 'OVERLOADED', message: string): void {
    if (this.abandoned) return;
    this.abandoned = true;
    this.values.length = 0;
    this.#letGo();
    this.#settle.reject(new SteleError(code, message));
  }

  #letGo(): void {
    this.#unwatch();
    clientBytes.usedBytes -= this.#bytes;
    this.#bytes = 0;
  }
}
