// A place for immutable files beside the cluster: a folder or a bucket of an object store.
//
// Names are relative, with `/` between folders: `segments/0011223344556677/00017-....seg`. What is
// written under a name that follows from its content is the same whoever writes it, so writing it
// twice does no harm; only a name that several may choose needs `ifAbsent`.

/** The bytes of an object to be written, read piece by piece. */
export interface ObjectBody {
  readonly byteCount: number;
  /**
   * Resolves with exactly the bytes of [start, end); they must not change until the write has
   * ended.
   */
  read(start: number, end: number): Promise<Uint8Array>;
}

export interface StoredObject {
  readonly name: string;
  readonly byteCount: number;
  /** Unix time in ms at which it was written, by the clock of the store. */
  readonly modifiedMs: number;
  /** Another one if the object was replaced, as the ETag of S3; absent: the store has none. */
  readonly tag?: string;
}

export interface StoreCallOptions {
  /** Aborting fails the call with CANCELLED. */
  readonly signal?: AbortSignal;
  /**
   * Notes bytes that were sent or received; returns how many ms to pause before the next. Absent:
   * no limit.
   */
  readonly pace?: (byteCount: number) => number;
}

export interface PutOptions extends StoreCallOptions {
  /** Fails with CONFLICT if the name is taken, also by a writer at the same moment. */
  readonly ifAbsent?: boolean;
}

export interface ReadOptions extends StoreCallOptions {
  /** Fails with CORRUPT unless the object still has this tag. */
  readonly tag?: string | undefined;
}

/**
 * Every call has a deadline that grows with its bytes, and repeats what may succeed the next time.
 * Errors are SteleErrors that name the store, the object and what to do: NOT_FOUND (no such object,
 * no such bucket), PERMISSION_DENIED (credentials), UNAVAILABLE, DEADLINE_EXCEEDED, CORRUPT (other
 * bytes than were written), DISK_FULL, IO.
 */
export interface ObjectStore {
  /** For people: the URL, without credentials. */
  readonly url: string;
  /** Afterwards the whole object is there and durable; after a failure it is whole or not there. */
  put(name: string, body: ObjectBody, options?: PutOptions): Promise<void>;
  /**
   * Fills `into` with the bytes of the object from `start` on. Rejects with CORRUPT if it ends
   * before.
   */
  read(name: string, into: Uint8Array, start: number, options?: ReadOptions): Promise<void>;
  /** The file that an object is; absent: the store is not a folder of this machine. */
  localPath?(name: string): string;
  /** Undefined if there is no such object. */
  stat(name: string, options?: StoreCallOptions): Promise<StoredObject | undefined>;
  /** All objects whose names begin with `prefix`, sorted by name. */
  list(prefix: string, options?: StoreCallOptions): AsyncIterable<StoredObject>;
  /** Removes objects; those that are not there count as removed. */
  delete(names: readonly string[], options?: StoreCallOptions): Promise<void>;
  close(): void;
}
