// What the metadata adapter and the election ask of etcd: a small part of its API, which
// distinguishes outcomes. Implemented by EtcdClient (etcd-client.ts) and, for tests, by an etcd in
// memory.
//
// Outcomes of a call: it resolves; it throws UNAVAILABLE, and certainly nothing was changed; it
// throws OUTCOME_UNKNOWN, and the transaction may have been made, or may be made yet; it throws
// another code, which repeating it would not change (CORRUPT: compacted, INVALID_ARGUMENT,
// PERMISSION_DENIED, DISK_FULL: etcd's space quota, CONFLICT: another cluster, CANCELLED: closed).
// The `cause` of OUTCOME_UNKNOWN is the error with its reason. It is DISK_FULL for a transaction
// that etcd refuses for its quota, because etcd may have made the first one of them nevertheless.

/** A key with its value. Revisions count for the whole store. */
export interface EtcdEntry {
  readonly key: string;
  /** A view of the bytes of its answer, which it keeps in memory. */
  readonly value: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  /** The writes of the key since it was created. */
  readonly version: number;
  /** The lease it goes with; 0: none. Inexact above 2^53, for leases that others granted. */
  readonly lease: number;
}

/**
 * A condition: the revision at which the key was created, or last changed; 0: it does not exist.
 */
export interface EtcdCompare {
  readonly key: string;
  readonly target: 'create' | 'mod';
  readonly revision: number;
}

export type EtcdOperation =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly value: string | Uint8Array;
      readonly lease?: number;
    }
  | { readonly kind: 'delete'; readonly key: string; /** Exclusive. */ readonly end?: string }
  | { readonly kind: 'range'; readonly key: string; readonly end?: string };

export interface EtcdTransaction {
  readonly compares: readonly EtcdCompare[];
  readonly success: readonly EtcdOperation[];
  /** What is done if a condition does not hold. */
  readonly failure?: readonly EtcdOperation[];
}

export interface EtcdAnswer {
  /** Whether all conditions held. */
  readonly succeeded: boolean;
  /** Of the store after the transaction. */
  readonly revision: number;
  /** The entries of each range operation that was carried out, in order. */
  readonly ranges: readonly (readonly EtcdEntry[])[];
}

export interface EtcdRange {
  /** Of the store that all entries are from. */
  readonly revision: number;
  readonly entries: readonly EtcdEntry[];
}

export interface EtcdRangeOptions {
  readonly revision?: number;
  readonly keysOnly?: boolean;
  readonly limit?: number;
}

export type EtcdEvent =
  | { readonly kind: 'put'; readonly entry: EtcdEntry }
  | { readonly kind: 'delete'; readonly key: string; readonly revision: number };

/** Neither may throw: an error of `onEvents` ends the watch. */
export interface EtcdWatchHandlers {
  /** All events of one revision. Called in the order of revisions, each once, none left out. */
  onEvents(events: readonly EtcdEvent[], revision: number): void;
  /**
   * Called once, and nothing afterwards: the watch cannot go on (compacted past its place, or
   * refused), so that its owner reads everything again.
   */
  onEnd(error: Error): void;
}

export interface EtcdApi {
  /**
   * Entries from `key` up to `end` (exclusive; absent: the one key), of one revision: the current
   * one, unless `revision` asks for an older one. `limit`: how many at most.
   */
  range(key: string, end?: string, options?: EtcdRangeOptions): Promise<EtcdRange>;
  transaction(transaction: EtcdTransaction): Promise<EtcdAnswer>;
  /** Grants a lease; `ttlSeconds` of the answer is what the server granted. */
  grantLease(ttlSeconds: number): Promise<{ readonly id: number; readonly ttlSeconds: number }>;
  /**
   * Renews a lease once; resolves to the seconds granted, 0 if the lease is gone. They count from
   * some moment after the call, so the caller must count them from before it. `deadlineMs`: instead
   * of the client's own, for all attempts together.
   */
  keepAlive(id: number, deadlineMs?: number): Promise<number>;
  /** Gives up a lease; its keys are deleted. Resolves as well if the lease is gone. */
  revokeLease(id: number): Promise<void>;
  /** Watches [key, end) from `fromRevision` on. Survives the death of endpoints. */
  watch(
    key: string,
    end: string,
    fromRevision: number,
    handlers: EtcdWatchHandlers,
  ): { close(): void };
  close(): void;
}
