// Arguments and results of the client's calls, and the errors that several of them share.

import { SteleError } from '../base/errors.ts';
import { KEY_BYTES_MAX } from '../base/limits.ts';

/** A string stands for its UTF-8 bytes. Bytes must not change until the call is over. */
export type Key = string | Uint8Array;

/** One answer: the value's bytes, which belong to the caller, or null if the key does not exist. */
export type Value = Buffer | null;

export interface ReadOptions {
  /** Budget of the call in ms, including retries, above 0. Default: the client's. */
  readonly deadlineMs?: number;
  /** Aborting rejects at once with CANCELLED; the signal's reason is the error's `cause`. */
  readonly signal?: AbortSignal;
}

export interface ManyResult {
  /** The version of all values. */
  readonly version: number;
  /** In the order of the keys. */
  readonly values: Value[];
}

/** The result of getMany with `partial`: what is known now, key by key. */
export interface PartialResult {
  /** The version of all values. */
  readonly version: number;
  /**
   * In the order of the keys; undefined if it is unknown at the moment whether there is a value.
   */
  readonly values: (Value | undefined)[];
  /** How many values are undefined. */
  readonly unavailable: number;
  /** Why the first of them is undefined; undefined if all are known. */
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
  /** True if the data is only on disk, so that reads answer SUSPENDED. */
  readonly suspended: boolean;
}

/** Limit of keys that one client has in flight; a getMany of more could never be sent. */
const KEYS_IN_FLIGHT_MAX = 100_000;
/** The limit of a timer: 24 days. */
const DEADLINE_MS_MAX = 2 ** 31 - 1;

/** State shared by one client and its running calls. */
export interface ClientScope {
  /** Aborted by close(). */
  readonly closing: AbortSignal;
  /** Keys asked for and not settled. */
  keysInFlight: number;
}

export function closedError(): SteleError {
  return new SteleError('CANCELLED', 'The client is closed.');
}

/** `signal` is the caller's, which has aborted. */
export function cancelledError(signal: AbortSignal | undefined): SteleError {
  return new SteleError('CANCELLED', 'The call was cancelled.', { cause: signal?.reason });
}

/** Throws CANCELLED if the client is closed or the call was aborted. */
export function throwIfEnded(scope: ClientScope, signal: AbortSignal | undefined): void {
  if (scope.closing.aborted) throw closedError();
  if (signal?.aborted === true) throw cancelledError(signal);
}

/** Throws INVALID_ARGUMENT unless it is a valid time in ms. */
export function checkDeadline(deadlineMs: number): void {
  if (deadlineMs > 0 && deadlineMs <= DEADLINE_MS_MAX) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'deadlineMs' is ${deadlineMs}; give milliseconds above 0 and up to ${DEADLINE_MS_MAX}.`,
  );
}

/** Throws INVALID_ARGUMENT for what an untyped program may pass. */
export function checkKeyspace(keyspace: unknown): void {
  if (typeof keyspace === 'string') return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `A keyspace is named by a string, not ${typeof keyspace}.`,
  );
}

/** Adds `keys` to those in flight. Throws INVALID_ARGUMENT, BATCH_TOO_LARGE, OVERLOADED. */
export function admitKeys(scope: ClientScope, keys: readonly Key[]): void {
  if (!Array.isArray(keys)) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `Many keys are ${typeof keys}; give an array of them.`,
    );
  }
  const keyCount = keys.length;
  if (keyCount > KEYS_IN_FLIGHT_MAX) {
    throw new SteleError(
      'BATCH_TOO_LARGE',
      `${keyCount} keys in one call; ask for at most ${KEYS_IN_FLIGHT_MAX}.`,
    );
  }
  if (scope.keysInFlight + keyCount > KEYS_IN_FLIGHT_MAX) {
    throw new SteleError(
      'OVERLOADED',
      `${scope.keysInFlight} keys are in flight already; await them before asking for ${keyCount} more (at most ${KEYS_IN_FLIGHT_MAX}).`,
    );
  }
  scope.keysInFlight += keyCount;
}

/**
 * The bytes of a key. Throws KEY_TOO_LONG, and INVALID_ARGUMENT for what is neither text nor bytes.
 */
export function keyBytes(key: Key): Uint8Array {
  if (typeof key !== 'string' && !(key instanceof Uint8Array)) {
    throw new SteleError('INVALID_ARGUMENT', `A key is ${typeof key}; give a string or bytes.`);
  }
  if (typeof key === 'string' && !key.isWellFormed()) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      'A key has half a surrogate pair, which UTF-8 cannot encode; give its bytes.',
    );
  }
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  if (bytes.length <= KEY_BYTES_MAX) return bytes;
  throw new SteleError(
    'KEY_TOO_LONG',
    `A key has ${bytes.length} bytes; ${KEY_BYTES_MAX} are allowed.`,
  );
}
