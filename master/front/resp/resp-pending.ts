// Replies that wait for datanodes, for one key or several.
//
// A key whose answer is unknown makes its whole command an error (`-CLUSTERDOWN ...`): a nil would
// mean "not found".

import { tickNowMs } from '../../../base/clock.ts';
import { SteleError } from '../../../base/errors.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { KeysReply, ValueReply } from '../../../resp/commands/backend.ts';
import { PendingReply } from '../../../resp/commands/pending-reply.ts';
import { REPLY_BYTES_MAX } from '../../../resp/wire/encoder.ts';
import type { ReplyWriter } from '../../../resp/wire/encoder.ts';
import type { LookupReceiver } from '../../../routing/waiting.ts';
import type { LookupTarget } from '../../../routing/router.ts';
import { copyOfCached } from '../lookup/cache.ts';
import type { LookupCore } from '../lookup/lookup-core.ts';
import type { SurfaceCounts } from '../metrics.ts';
import type { CachedValue } from '../lookup/slab-cache.ts';

const REPLY_OVERHEAD_BYTES = 16;

abstract class PendingRead extends PendingReply {
  /**
   * True once the connection owns this reply; from then on a missing waiter means that the client
   * is gone.
   */
  handedOver = false;

  get abandoned(): boolean {
    return this.handedOver && this.waiter === undefined;
  }
}

/** The reply of GET, STRLEN, TYPE ... */
export class PendingKey extends PendingRead implements LookupReceiver {
  readonly #writeValue: ValueReply;
  readonly #counts: SurfaceCounts;
  #value: Buffer | undefined;
  #failure: SteleError | undefined;

  constructor(key: Buffer, writeValue: ValueReply, counts: SurfaceCounts) {
    super();
    this.key = key;
    this.#writeValue = writeValue;
    this.#counts = counts;
  }

  receive(
    _index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    _nodeId: string,
    failure: SteleError | undefined,
  ): void {
    this.#counts.latency.record(tickNowMs() - this.beganMs);
    if (status === LookupStatus.OK) this.#counts.found++;
    else if (status === LookupStatus.NOT_FOUND) this.#counts.notFound++;
    else {
      this.#counts.failed++;
      this.#failure = failure ?? noAnswer();
    }
    this.#value = value;
    this.replyBytes = REPLY_OVERHEAD_BYTES + (value?.length ?? 0);
    this.finish();
  }

  override write(out: ReplyWriter): void {
    if (this.#failure !== undefined) out.failure(this.#failure);
    else this.#writeValue(out, this.#value, 0, this.#value?.length ?? 0);
  }
}

/** The reply of MGET, EXISTS ...: one from several keys, all of one version. */
export class PendingKeys extends PendingRead implements LookupReceiver {
  readonly #values: (Buffer | undefined)[];
  readonly #counts: SurfaceCounts;
  readonly #reply: KeysReply;
  #left: number;
  #found = 0;
  #failure: SteleError | undefined;

  constructor(keyCount: number, reply: KeysReply, counts: SurfaceCounts) {
    super();
    this.#left = keyCount;
    this.#values = Array.from({ length: reply.readsValues ? keyCount : 0 });
    this.#reply = reply;
    this.#counts = counts;
  }

  /** Asks the datanodes for key number `index`. */
  ask(
    core: LookupCore,
    target: LookupTarget,
    key: Buffer,
    index: number,
    deadlineMs: number,
  ): void {
    this.key ??= key;
    core.ask(target, key, this, index, deadlineMs);
  }

  /** Adds the cached answer to key number `index`. */
  addCached(index: number, cached: CachedValue): void {
    const value = this.#reply.readsValues ? copyOfCached(cached) : undefined;
    this.#add(index, LookupStatus.OK, value, undefined);
  }

  receive(
    index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    _nodeId: string,
    failure: SteleError | undefined,
  ): void {
    this.#add(index, status, value, failure);
  }

  #add(
    index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    failure: SteleError | undefined,
  ): void {
    if (status === LookupStatus.OK) {
      this.#found++;
      this.#counts.found++;
      if (this.#reply.readsValues) this.#keep(index, value);
    } else if (status === LookupStatus.NOT_FOUND) this.#counts.notFound++;
    else {
      this.#counts.failed++;
      this.#failure ??= failure ?? noAnswer();
    }
    if (--this.#left > 0) return;
    this.#counts.latency.record(tickNowMs() - this.beganMs);
    this.finish();
  }

  /**
   * Values that are too large together are dropped at once; the other answers are still awaited.
   */
  #keep(index: number, value: Buffer | undefined): void {
    this.replyBytes += REPLY_OVERHEAD_BYTES + (value?.length ?? 0);
    if (this.replyBytes > REPLY_BYTES_MAX) {
      this.#values.length = 0;
      this.#failure ??= new SteleError(
        'OVERLOADED',
        'The values are too large together; ask for fewer keys in one command.',
      );
    } else this.#values[index] = value;
  }

  override write(out: ReplyWriter): void {
    if (this.#failure !== undefined) return out.failure(this.#failure);
    this.#reply.write(out, this.#values, this.#found);
  }
}

function noAnswer(): SteleError {
  return new SteleError('UNAVAILABLE', 'No replica answered.');
}
