// The metadata port: a small, durable, ordered store for the control plane. The catalog reads all
// of it once, at the start, and changes it with transactions; nobody else writes to it.
//
// Revisions count for the whole store, like etcd's mod_revision.
//
// Invariants: a write has survived a power cut before its promise resolves; a transaction is all or
// nothing; a key's revision only rises; a write whose promise rejects has changed nothing, and will
// not, unless it rejects with OUTCOME_UNKNOWN. So a store that cannot tell yet (it hangs, or its
// answer was lost) leaves the promise pending until it can; the caller decides how long to wait
// (master/metadata/change-queue.ts). OUTCOME_UNKNOWN is the end of a store that several masters
// share: another one leads, and has changed so much since that nobody can tell any more. From then
// on this store refuses everything.

/** One key as it is stored. `value` is JSON text that the store does not interpret. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  /** The store's revision at which the key was last written; at least 1. */
  readonly revision: number;
  /** What `value` says, if the store has it parsed; `value` is made of it when it is asked for. */
  readonly parsed?: unknown;
}

/**
 * One step of a transaction. `expect`: the revision that the key must have, 0 for "must not exist".
 * `check` is a condition alone.
 */
export type Write =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly value: string;
      readonly expect?: number;
    }
  | { readonly kind: 'delete'; readonly key: string; readonly expect?: number }
  | { readonly kind: 'check'; readonly key: string; readonly expect: number };

export interface Metadata {
  /** All entries whose key begins with `prefix`, by key. */
  list(prefix: string): Promise<Entry[]>;
  /**
   * Applies all writes and resolves to the new revision; or none, and undefined, if one `expect`
   * does not hold. A key may occur once.
   */
  transaction(writes: readonly Write[]): Promise<number | undefined>;
  close(): Promise<void>;
}

/** A step that changes something. */
export type ChangingWrite = Exclude<Write, { readonly kind: 'check' }>;

export function changing(writes: readonly Write[]): ChangingWrite[] {
  return writes.filter((write) => write.kind !== 'check');
}
