// One get or getMany in progress: collects the answers of its keys and settles its promise once.
//
// Hot: `receive` is called for every key and allocates nothing.
//
// Invariants: the promise is settled exactly once; after that, `abandoned` keeps the dispatcher
// from asking further replicas; the keys are subtracted from `keysInFlight` when it is settled, and
// only then.

import { unwatchAbort, watchAbort } from '../base/abort.ts';
import { SteleError } from '../base/errors.ts';
import { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import type { LookupTarget } from '../routing/router.ts';
import type { LookupReceiver } from '../routing/waiting.ts';
import { cancelledError, closedError } from './read-options.ts';
import type { ClientScope, Value } from './read-options.ts';

/** Limit of value bytes per call. */
const VALUE_BYTES_MAX = 256 * 1024 * 1024;

export class PendingRead implements LookupReceiver {
  /** In the order of the keys; undefined: not answered yet, or UNAVAILABLE. */
  readonly values: (Value | undefined)[];
  readonly target: LookupTarget;
  abandoned = false;
  unavailable = 0;
  failure: SteleError | undefined;
  readonly #scope: ClientScope;
  readonly #keyCount: number;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (read: PendingRead) => void;
  readonly #reject: (error: SteleError) => void;
  #left: number;
  #bytes = 0;

  /** `keyCount` keys have been added to those in flight (admitKeys); settling subtracts them. */
  constructor(
    scope: ClientScope,
    target: LookupTarget,
    keyCount: number,
    signal: AbortSignal | undefined,
    resolve: (read: PendingRead) => void,
    reject: (error: SteleError) => void,
  ) {
    this.#scope = scope;
    this.target = target;
    this.values = Array.from({ length: keyCount });
    this.#keyCount = keyCount;
    this.#left = keyCount;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    if (signal !== undefined) watchAbort(signal, this.#cancel);
    if (keyCount === 0) this.#finish();
  }

  receive(
    index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    _nodeId: string,
    failure: SteleError | undefined,
  ): void {
    if (this.abandoned) return;
    if (status === LookupStatus.OK && value !== undefined) {
      this.values[index] = value;
      this.#bytes += value.length;
      if (this.#bytes > VALUE_BYTES_MAX) return this.fail(valuesTooLarge());
    } else if (status === LookupStatus.NOT_FOUND) {
      this.values[index] = null;
    } else {
      this.unavailable++;
      this.failure ??= failure;
    }
    if (--this.#left === 0) this.#finish();
  }

  /** Rejects, unless it is already settled. */
  fail(error: SteleError): void {
    if (this.abandoned) return;
    this.#settle();
    this.values.length = 0;
    this.#reject(error);
  }

  /** The error of the call as a whole, if its caller wants all keys or none. */
  incomplete(): SteleError {
    const what = `${this.unavailable} of ${this.#keyCount} keys of '${this.target.keyspace}' cannot be read at the moment`;
    const code = this.failure?.code ?? 'UNAVAILABLE';
    return new SteleError(code, `${what} (${this.failure?.message ?? 'no reason was given'})`);
  }

  readonly #cancel = (): void => this.fail(cancelledError(this.#signal));

  #finish(): void {
    // A closed dispatcher answers UNAVAILABLE for pending keys; this caller must see CANCELLED
    // instead.
    if (this.unavailable > 0 && this.#scope.closing.aborted) return this.fail(closedError());
    this.#settle();
    this.#resolve(this);
  }

  #settle(): void {
    this.abandoned = true;
    this.#scope.keysInFlight -= this.#keyCount;
    if (this.#signal !== undefined) unwatchAbort(this.#signal, this.#cancel);
  }
}

function valuesTooLarge(): SteleError {
  return new SteleError(
    'BATCH_TOO_LARGE',
    `The values have more than ${VALUE_BYTES_MAX} bytes together; ask for fewer keys.`,
  );
}
