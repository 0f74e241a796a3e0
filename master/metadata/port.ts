// The metadata port: what the control plane needs from a small, durable, ordered store.
//
// One implementation is embedded (embedded.ts); one over etcd fits the same shape, which is why
// revisions count for the whole store, as etcd's mod_revision does, and why there are leases.
//
// Invariants: a write has survived a power cut before its promise resolves; a transaction is all
// or nothing; a key's revision only rises; a write whose promise rejects has changed nothing, and will not.
// So a store that cannot tell yet (it hangs, its answer was lost) leaves the promise open until it can: how long
// to wait is the caller's business (master/metadata/change-queue.ts).

/** One key as it is stored. `value` is JSON text; the store does not look into it. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  /** The store's revision at which the key was last written; at least 1. */
  readonly revision: number;
}

/** One step of a transaction. `expect`: the revision the key must have, 0 for "must not exist". */
export type Write =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly value: string;
      readonly expect?: number;
    }
  | { readonly kind: 'delete'; readonly key: string; readonly expect?: number };

/** Something changed below a watched prefix; `entry` is undefined for a deleted key. */
export interface WatchEvent {
  readonly key: string;
  readonly entry: Entry | undefined;
}

/** A name held by one process. Over etcd it ends when it is not renewed. */
export interface Lease {
  readonly name: string;
  /** False: somebody else has it, and whatever it protected must stop. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

export interface Metadata {
  get(key: string): Promise<Entry | undefined>;
  /** All entries whose key begins with `prefix`, by key. */
  list(prefix: string): Promise<Entry[]>;
  /** Writes unconditionally; resolves to the new revision. */
  put(key: string, value: string): Promise<number>;
  /** Writes if the key's revision is `expect`; otherwise resolves to undefined and changes nothing. */
  compareAndSet(key: string, expect: number, value: string): Promise<number | undefined>;
  /** True if the key was there. */
  delete(key: string): Promise<boolean>;
  /** All writes or, when one `expect` does not hold, none (undefined). */
  transaction(writes: readonly Write[]): Promise<number | undefined>;
  /** Calls `listener` after each change below `prefix`; returns how to stop that. */
  watch(prefix: string, listener: (event: WatchEvent) => void): () => void;
  /** Takes `name` for `ttlMs`, or resolves to undefined when it is taken. */
  lease(name: string, ttlMs: number): Promise<Lease | undefined>;
  close(): Promise<void>;
}
