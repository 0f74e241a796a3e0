// Answers a batch of lookups of which some keys are on disk: what is in memory is looked up at once,
// the reads begin together, and the reply is sent when all are known.
//
//   keys -> at most about 1 MiB of records -> reads -> reply, once the peer has taken the one before
//
// Nothing waits for it: the connection goes on with the next requests, and answers them as they come.

import { LOOKUP_REPLY_SOFT_BYTES } from '../../base/limits.ts';
import { readKeys } from '../../proto/lookup-protocol.ts';
import type { LookupReply, LookupRequestFrame, PackedWriter } from '../../proto/lookup-protocol.ts';
import type { VersionTable } from '../storage/version-tables.ts';
import { DiskAnswers } from './disk-answers.ts';
import type { DiskReads } from './disk-reads.ts';

export interface LateBatchOptions {
  readonly disk: DiskReads;
  /** By the request's targets. */
  readonly tables: readonly (VersionTable | undefined)[];
  /** Empty between two replies; leaves a head free. */
  readonly writer: PackedWriter;
  /** Takes a reply. Returns whether the peer reads; if not, `goOn` is to be called once it does. */
  readonly send: (reply: LookupReply) => boolean;
  /** Called once, when all replies are sent. */
  readonly onEnd: () => void;
}

export class LateBatch {
  readonly #options: LateBatchOptions;
  readonly #id: number;
  readonly #count: number;
  readonly #keys: Buffer;
  /** Per key: target, start, end. */
  readonly #entries: Int32Array;
  /** The first key that is not answered yet, and whether its answers are awaited. */
  #at = 0;
  #isReading = false;
  #isDropped = false;

  /** Copies the request's keys. Throws INVALID_ARGUMENT if they are malformed. */
  constructor({ count, id, keys }: LookupRequestFrame, options: LateBatchOptions) {
    this.#options = options;
    this.#id = id;
    this.#count = count;
    this.#keys = Buffer.from(keys);
    this.#entries = new Int32Array(count * 3);
    readKeys(this.#keys, count, (index, target, start, end) => {
      this.#entries.set([target, start, end], index * 3);
    });
  }

  /** Begins the next reads, unless some are in progress. */
  goOn(): void {
    if (this.#isReading || this.#isDropped) return;
    if (this.#at === this.#count) return this.#options.onEnd();
    this.#isReading = true;
    const { disk, tables } = this.#options;
    const first = this.#at;
    const collected = new DiskAnswers(() => this.#reply(first, collected));
    for (let index = first; index < this.#count; index++) {
      const [target = 0, start = 0, end = 0] = this.#entries.subarray(index * 3, index * 3 + 3);
      collected.ask(disk, tables[target], this.#keys, start, end);
      if (collected.recordBytes >= LOOKUP_REPLY_SOFT_BYTES) break;
    }
    collected.start();
  }

  /** Nobody waits for the answers any more. */
  drop(): void {
    this.#isDropped = true;
  }

  #reply(first: number, { answers }: DiskAnswers): void {
    this.#isReading = false;
    this.#at += answers.length;
    if (this.#isDropped) return;
    const { send, writer } = this.#options;
    for (const { status, value } of answers) writer.addResult(status, value, 0, value.length);
    const reply = { id: this.#id, first, count: answers.length, results: writer.take() };
    if (send(reply) || this.#at === this.#count) this.goOn();
  }
}
