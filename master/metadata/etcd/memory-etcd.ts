// An etcd in memory with the contract of EtcdApi: revisions, transactions, leases and watches, on
// any clock, with faults between each client and the store. For several masters in one process
// (embedded/start-cluster.ts) and for tests.

import { SteleError } from '../../../base/errors.ts';
import type { Cancel, Time } from '../../../base/clock.ts';
import type {
  EtcdAnswer,
  EtcdApi,
  EtcdCompare,
  EtcdEntry,
  EtcdEvent,
  EtcdOperation,
  EtcdRange,
  EtcdRangeOptions,
  EtcdTransaction,
  EtcdWatchHandlers,
} from './api.ts';

/** Of etcd's defaults. */
const OPERATIONS_MAX = 128;
const REQUEST_BYTES_MAX = 1.5 * 1024 * 1024;
/** Older revisions are compacted. */
const HISTORY_MAX = 10_000;

interface Lease {
  readonly ttlSeconds: number;
  readonly untilMs: number;
  /** Cancels the delivery at its end. */
  readonly cancel: Cancel;
}

interface Watcher {
  readonly key: string;
  readonly end: string;
  nextRevision: number;
  readonly handlers: EtcdWatchHandlers;
  /** Whether its client is connected. */
  readonly isReached: () => boolean;
}

/** A state of the store, as in a backup. */
export interface MemoryEtcdState {
  readonly revision: number;
  readonly entries: ReadonlyMap<string, EtcdEntry>;
  /** Id -> TTL. */
  readonly leases: ReadonlyMap<number, number>;
}

export interface MemoryEtcdOptions {
  /** The TTL that is granted in place of the one asked for. */
  readonly granted?: (ttlSeconds: number) => number;
  /** Called with each revision when it is made. */
  readonly onRevision?: (events: readonly EtcdEvent[], revision: number) => void;
  /**
   * Called with the keys that go with a lease, when its time is over and before they are deleted.
   */
  readonly onExpired?: (entries: readonly EtcdEntry[]) => void;
}

/** What happens to one call: it is answered, it never arrives, or its answer is lost. */
export type CallFate = 'answered' | 'refused' | 'lost before' | 'lost after';

export class MemoryEtcd {
  readonly #time: Time;
  readonly #options: MemoryEtcdOptions;
  readonly #entries = new Map<string, EtcdEntry>();
  readonly #leases = new Map<number, Lease>();
  readonly #watchers = new Set<Watcher>();
  readonly #history: { readonly revision: number; readonly events: readonly EtcdEvent[] }[] = [];
  #compacted = 0;
  #nextLease = 1;
  revision = 1;
  /** The largest transaction so far. */
  operationsMax = 0;
  bytesMax = 0;

  constructor(time: Time, options: MemoryEtcdOptions = {}) {
    this.#time = time;
    this.#options = options;
  }

  /** The keys that exist, in order. */
  keys(): string[] {
    this.#expire();
    return [...this.#entries.keys()].sort();
  }

  compact(): void {
    this.#compacted = this.revision;
    this.#history.length = 0;
  }

  state(): MemoryEtcdState {
    const leases = [...this.#leases].map(([id, { ttlSeconds }]) => [id, ttlSeconds] as const);
    return {
      revision: this.revision,
      entries: new Map(this.#entries),
      leases: new Map(leases),
    };
  }

  /** Goes back to a backup: every lease begins again, and all clients have to connect again. */
  restore({ entries, leases, revision }: MemoryEtcdState): void {
    this.revision = revision;
    this.compact();
    this.#watchers.clear();
    for (const id of this.#leases.keys()) this.#endLease(id);
    for (const [id, ttlSeconds] of leases) this.#beginLease(id, ttlSeconds);
    this.#entries.clear();
    for (const [key, entry] of entries) this.#entries.set(key, entry);
  }

  /** A client. `fateOf` decides what happens to each of its calls. */
  connect(
    fateOf: (call: string) => CallFate | Promise<CallFate> = () => 'answered',
  ): MemoryEtcdClient {
    return new MemoryEtcdClient(this, fateOf);
  }

  range(key: string, end?: string, { revision }: EtcdRangeOptions = {}): EtcdRange {
    this.#expire();
    if (revision !== undefined && revision < this.#compacted) throw compacted();
    const entries = [...this.#entries.values()].filter((entry) => isWithin(entry.key, key, end));
    entries.sort((left, right) => (left.key < right.key ? -1 : 1));
    return { revision: this.revision, entries };
  }

  transaction({ compares, success, failure = [] }: EtcdTransaction): EtcdAnswer {
    this.#expire();
    const size = Math.max(compares.length, success.length, failure.length);
    const bytes = success.reduce(
      (sum, each) => sum + (each.kind === 'put' ? Buffer.byteLength(each.value) : 0),
      0,
    );
    this.operationsMax = Math.max(this.operationsMax, size);
    this.bytesMax = Math.max(this.bytesMax, bytes);
    if (size > OPERATIONS_MAX || bytes > REQUEST_BYTES_MAX) {
      throw new SteleError('INVALID_ARGUMENT', 'The request to etcd is too large.');
    }
    const succeeded = compares.every((compare) => this.#holds(compare));
    const operations = succeeded ? success : failure;
    const isLeft = (each: EtcdOperation): boolean =>
      each.kind !== 'put' || each.lease === undefined || this.#leases.has(each.lease);
    if (!operations.every(isLeft)) throw new SteleError('NOT_FOUND', 'There is no such lease.');
    const ranges = this.#apply(operations);
    return { succeeded, revision: this.revision, ranges };
  }

  grant(asked: number): { readonly id: number; readonly ttlSeconds: number } {
    const ttlSeconds = this.#options.granted?.(asked) ?? asked;
    const id = this.#nextLease++;
    this.#beginLease(id, ttlSeconds);
    return { id, ttlSeconds };
  }

  keepAlive(id: number): number {
    this.#expire();
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0;
    this.#beginLease(id, lease.ttlSeconds);
    return lease.ttlSeconds;
  }

  revoke(id: number): void {
    this.#endLease(id);
    const keys = [...this.#entries.values()].filter(({ lease }) => lease === id);
    if (keys.length > 0) this.#apply(keys.map(({ key }) => ({ kind: 'delete', key })));
  }

  watch(watcher: Watcher): () => void {
    if (watcher.nextRevision <= this.#compacted) {
      queueMicrotask(() => watcher.handlers.onEnd(compacted()));
      return () => undefined;
    }
    this.#watchers.add(watcher);
    queueMicrotask(() => this.deliver());
    return () => this.#watchers.delete(watcher);
  }

  /** Sends what the watchers that are reached have not had yet. */
  deliver(): void {
    this.#expire();
    for (const watcher of this.#watchers) {
      if (!watcher.isReached()) continue;
      if (watcher.nextRevision <= this.#compacted && watcher.nextRevision <= this.revision) {
        this.#watchers.delete(watcher);
        watcher.handlers.onEnd(compacted());
        continue;
      }
      for (const { events, revision } of this.#history) {
        if (revision < watcher.nextRevision || !this.#watchers.has(watcher)) continue;
        watcher.nextRevision = revision + 1;
        const wanted = events.filter((event) =>
          isWithin(event.kind === 'put' ? event.entry.key : event.key, watcher.key, watcher.end),
        );
        if (wanted.length > 0) watcher.handlers.onEvents(wanted, revision);
      }
    }
  }

  /** Begins a lease, or begins it again. The watchers learn of its end. */
  #beginLease(id: number, ttlSeconds: number): void {
    this.#endLease(id);
    const cancel = this.#time.after(ttlSeconds * 1000 + 2, () => this.deliver());
    const untilMs = this.#time.nowMs() + ttlSeconds * 1000;
    this.#leases.set(id, { ttlSeconds, untilMs, cancel });
  }

  #endLease(id: number): void {
    this.#leases.get(id)?.cancel();
    this.#leases.delete(id);
  }

  #expire(): void {
    for (const [id, { untilMs }] of this.#leases) {
      if (this.#time.nowMs() < untilMs) continue;
      const { onExpired } = this.#options;
      onExpired?.([...this.#entries.values()].filter(({ lease }) => lease === id));
      this.revoke(id);
    }
  }

  #holds({ key, revision, target }: EtcdCompare): boolean {
    const entry = this.#entries.get(key);
    return (
      (target === 'create' ? (entry?.createRevision ?? 0) : (entry?.modRevision ?? 0)) === revision
    );
  }

  #apply(operations: readonly EtcdOperation[]): (readonly EtcdEntry[])[] {
    const revision = this.revision + 1;
    const events: EtcdEvent[] = [];
    const ranges: (readonly EtcdEntry[])[] = [];
    for (const operation of operations) {
      const { key } = operation;
      if (operation.kind === 'range') ranges.push(this.range(key, operation.end).entries);
      else if (operation.kind === 'put') {
        const { lease = 0, value } = operation;
        const before = this.#entries.get(key);
        const createRevision = before?.createRevision ?? revision;
        const version = (before?.version ?? 0) + 1;
        const entry = {
          key,
          value: Buffer.from(value),
          createRevision,
          modRevision: revision,
          lease,
          version,
        };
        this.#entries.set(key, entry);
        events.push({ kind: 'put', entry });
      } else {
        const gone = [...this.#entries.keys()].filter((each) => isWithin(each, key, operation.end));
        for (const each of gone) this.#entries.delete(each);
        events.push(...gone.map((each) => ({ kind: 'delete', key: each, revision }) as const));
      }
    }
    if (events.length > 0) {
      this.revision = revision;
      this.#history.push({ revision, events });
      if (this.#history.length > HISTORY_MAX) {
        this.#compacted = this.#history.shift()?.revision ?? 0;
      }
      this.#options.onRevision?.(events, revision);
      queueMicrotask(() => this.deliver());
    }
    return ranges;
  }
}

/** One master's connection to the store. */
export class MemoryEtcdClient implements EtcdApi {
  readonly #store: MemoryEtcd;
  readonly #fateOf: (call: string) => CallFate | Promise<CallFate>;
  readonly #closers = new Set<() => void>();
  /** False: cut off from the store. */
  isReached = true;

  constructor(store: MemoryEtcd, fateOf: (call: string) => CallFate | Promise<CallFate>) {
    this.#store = store;
    this.#fateOf = fateOf;
  }

  range(key: string, end?: string): Promise<EtcdRange> {
    return this.#call('range', () => this.#store.range(key, end), true);
  }

  transaction(transaction: EtcdTransaction): Promise<EtcdAnswer> {
    return this.#call('transaction', () => this.#store.transaction(transaction));
  }

  grantLease(ttlSeconds: number): Promise<{ readonly id: number; readonly ttlSeconds: number }> {
    return this.#call('grantLease', () => this.#store.grant(ttlSeconds), true);
  }

  keepAlive(id: number): Promise<number> {
    return this.#call('keepAlive', () => this.#store.keepAlive(id), true);
  }

  revokeLease(id: number): Promise<void> {
    return this.#call('revokeLease', () => this.#store.revoke(id), true);
  }

  watch(
    key: string,
    end: string,
    fromRevision: number,
    handlers: EtcdWatchHandlers,
  ): { close(): void } {
    const isReached = (): boolean => this.isReached;
    const close = this.#store.watch({ key, end, nextRevision: fromRevision, handlers, isReached });
    this.#closers.add(close);
    return { close };
  }

  close(): void {
    for (const close of this.#closers) close();
  }

  /** `repeatable`: a call without an answer has no effect that matters. */
  async #call<Result>(name: string, make: () => Result, repeatable = false): Promise<Result> {
    const fate = this.isReached ? await this.#fateOf(name) : 'refused';
    if (fate === 'refused') throw new SteleError('UNAVAILABLE', 'No etcd answers.');
    if (fate === 'lost before') throw lost(repeatable);
    const result = make();
    if (fate === 'lost after') throw lost(repeatable);
    return result;
  }
}

function compacted(): SteleError {
  return new SteleError('CORRUPT', 'The revision was compacted.');
}

function lost(repeatable: boolean): SteleError {
  return new SteleError(
    repeatable ? 'UNAVAILABLE' : 'OUTCOME_UNKNOWN',
    'The answer of etcd was lost.',
  );
}

function isWithin(key: string, from: string, end?: string): boolean {
  return end === undefined ? key === from : key >= from && key < end;
}
