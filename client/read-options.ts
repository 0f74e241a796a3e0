// What the calls of the client take and give, and the errors that several of them share.

import { SteleError } from '../base/errors.ts';
import { KEY_BYTES_MAX } from '../base/limits.ts';

/** A string stands for its UTF-8 bytes. Bytes must not change until the call is over. */
export type Key = string | Uint8Array;

/** One answer: the value's bytes, the caller's to keep, or null where the key is not in the keyspace. */
export type Value = Buffer | null;

export interface ReadOptions {
  /** Budget of the call, retries included; the client's default where absent. */
  readonly deadlineMs?: number;
  /** Aborting rejects with CANCELLED at once. */
  readonly signal?: AbortSignal;
}

export interface ManyResult {
  /** The one version that all values are of. */
  readonly version: number;
  /** In the order of the keys. */
  readonly values: Value[];
}

/** What getMany gives with `partial`: what can be known now, key by key. */
export interface PartialResult {
  /** The one version that all values are of. */
  readonly version: number;
  /** In the order of the keys; undefined where it cannot be known now whether there is a value. */
  readonly values: (Value | undefined)[];
  /** How many of them are undefined. */
  readonly unavailable: number;
  /** Why the first of these is; undefined when all is known. */
  readonly failure: SteleError | undefined;
}

export interface KeyspaceInfo {
  readonly name: string;
  /** 0: nothing committed yet. */
  readonly version: number;
  /** All versions that are kept, ascending. */
  readonly versions: readonly number[];
  /** Records of the current version. */
  readonly records: number;
  /** True: the data is on disk only, and reads answer SUSPENDED. */
  readonly suspended: boolean;
}

/** Keys that one client has in flight; a getMany of more could never be sent. */
export const KEYS_IN_FLIGHT_MAX = 100_000;

/** What one client and its running calls know of each other. */
export interface ClientScope {
  /** Aborted by close(). */
  readonly closing: AbortSignal;
  /** Keys asked for and not settled. */
  keysInFlight: number;
}

export function closedError(): SteleError {
  return new SteleError('CANCELLED', 'The client is closed.');
}

export function cancelledError(): SteleError {
  return new SteleError('CANCELLED', 'The call was cancelled.');
}

/** Throws CANCELLED where nobody waits any more. */
export function throwIfEnded(scope: ClientScope, signal: AbortSignal | undefined): void {
  if (scope.closing.aborted) throw closedError();
  if (signal?.aborted === true) throw cancelledError();
}

/** Throws KEY_TOO_LONG. */
export function keyBytes(key: Key): Uint8Array {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  if (bytes.length <= KEY_BYTES_MAX) return bytes;
  throw new SteleError(
    'KEY_TOO_LONG',
    `A key has ${bytes.length} bytes; ${KEY_BYTES_MAX} are allowed.`,
  );
}
