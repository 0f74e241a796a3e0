// What the calls of the client take and give, and the errors that several of them share.

import { SteleError } from '../base/errors.ts';
import { KEY_BYTES_MAX } from '../base/limits.ts';

/** A string stands for its UTF-8 bytes. Bytes must not change until the call is over. */
export type Key = string | Uint8Array;

/** One answer: the value's bytes, the caller's to keep, or null where the key is not in the keyspace. */
export type Value = Buffer | null;

export interface ReadOptions {
  /** Budget of the call, retries included, above 0; the client's default where absent. */
  readonly deadlineMs?: number;
  /** Aborting rejects with CANCELLED at once; the signal's reason is the error's `cause`. */
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
const KEYS_IN_FLIGHT_MAX = 100_000;
/** What a timer takes: 24 days. */
const DEADLINE_MS_MAX = 2 ** 31 - 1;

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

/** `signal` is the caller's, which has aborted. */
export function cancelledError(signal: AbortSignal | undefined): SteleError {
  return new SteleError('CANCELLED', 'The call was cancelled.', { cause: signal?.reason });
}

/** Throws CANCELLED where nobody waits any more. */
export function throwIfEnded(scope: ClientScope, signal: AbortSignal | undefined): void {
  if (scope.closing.aborted) throw closedError();
  if (signal?.aborted === true) throw cancelledError(signal);
}

/** Throws INVALID_ARGUMENT for what is no time, or never comes. */
export function checkDeadline(deadlineMs: number): void {
  if (deadlineMs > 0 && deadlineMs <= DEADLINE_MS_MAX) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'deadlineMs' is ${deadlineMs}; give milliseconds above 0 and up to ${DEADLINE_MS_MAX}.`,
  );
}

/** Throws INVALID_ARGUMENT for what a program without types may give. */
export function checkKeyspace(keyspace: unknown): void {
  if (typeof keyspace === 'string') return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `A keyspace is named by a string, not ${typeof keyspace}.`,
  );
}

/** Takes the places of `keys` among those in flight. Throws INVALID_ARGUMENT, BATCH_TOO_LARGE, OVERLOADED. */
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

/** Throws KEY_TOO_LONG, and INVALID_ARGUMENT for what is neither text nor bytes. */
export function keyBytes(key: Key): Uint8Array {
  if (typeof key !== 'string' && !(key instanceof Uint8Array)) {
    throw new SteleError('INVALID_ARGUMENT', `A key is ${typeof key}; give a string or bytes.`);
  }
  if (typeof key === 'string' && !key.isWellFormed()) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      'A key has half a surrogate pair, which UTF-8 cannot say; give its bytes.',
    );
  }
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  if (bytes.length <= KEY_BYTES_MAX) return bytes;
  throw new SteleError(
    'KEY_TOO_LONG',
    `A key has ${bytes.length} bytes; ${KEY_BYTES_MAX} are allowed.`,
  );
}
