// Answers a batch of lookups of which some keys are on disk: what is in memory or in the cache is
// looked up at once, the reads begin together, and the reply is sent when all are known.
//
//   keys -> at most about 1 MiB of records -> reads -> reply, once the peer has taken the one before
//
// Nothing waits for it: the connection goes on with the next requests, and answers them as they come.

import { LOOKUP_REPLY_SOFT_BYTES } from '../../base/limits.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { readKeys } from '../../proto/lookup-protocol.ts';
import type { LookupReply, LookupRequestFrame, PackedWriter } from '../../proto/lookup-protocol.ts';
import type { VersionTable } from '../storage/version-tables.ts';
import { DiskAnswers } from './disk-answers.ts';
import type { DiskReads } from './disk-reads.ts';
import { lastHit } from './lookup.ts';

const NO_BYTES = Buffer.alloc(0);

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

  /** Sends what is in memory, or begins the next reads, unless some are in progress. */
  goOn(): void {
    if (this.#isReading || this.#isDropped) return;
    if (this.#at === this.#count) return this.#options.onEnd();
    const first = this.#at;
    let index: number;
    try {
      index = this.#answerNow(first);
    } catch (thrown) {
      // Bytes of a failed answer must not end up in another reply.
      this.#options.writer.take();
      throw thrown;
    }
    const { writer } = this.#options;
    const isFull = index === this.#count || writer.byteLength >= LOOKUP_REPLY_SOFT_BYTES;
    if (isFull) this.#send(index - first);
    else this.#read(index);
  }

  /** Writes the results of the keys from `index` on; returns the first that must be read, or is too much. */
  #answerNow(index: number): number {
    const { disk, tables, writer } = this.#options;
    const entries = this.#entries;
    for (; index < this.#count && writer.byteLength < LOOKUP_REPLY_SOFT_BYTES; index++) {
      const table = tables[entries[index * 3] as number];
      const start = entries[index * 3 + 1] as number;
      const status = disk.answerNow(table, this.#keys, start, entries[index * 3 + 2] as number);
      if (status === undefined) break;
      if (status !== LookupStatus.OK) writer.addResult(status, NO_BYTES, 0, 0);
      else writer.addResult(status, lastHit.bytes, lastHit.start, lastHit.end);
    }
    return index;
  }

  /** Reads the keys from `index` on; the results before it are in the writer, which others use meanwhile. */
  #read(index: number): void {
    this.#isReading = true;
    const { disk, tables, writer } = this.#options;
    const { byteLength } = writer;
    const taken = writer.take();
    const before = Buffer.from(taken.subarray(taken.length - byteLength));
    const count = index - this.#at;
    const collected = new DiskAnswers(() => this.#onRead(before, count, collected));
    for (; index < this.#count; index++) {
      const [target = 0, start = 0, end = 0] = this.#entries.subarray(index * 3, index * 3 + 3);
      collected.ask(disk, tables[target], this.#keys, start, end);
      if (byteLength + collected.recordBytes >= LOOKUP_REPLY_SOFT_BYTES) break;
    }
    collected.start();
  }

  /** Nobody waits for the answers any more. */
  drop(): void {
    this.#isDropped = true;
  }

  #onRead(before: Buffer, count: number, { answers }: DiskAnswers): void {
    this.#isReading = false;
    if (this.#isDropped) return;
    const { writer } = this.#options;
    writer.addTail(before.length, (bytes, at) => before.copy(bytes, at));
    for (const { status, value } of answers) writer.addResult(status, value, 0, value.length);
    this.#send(count + answers.length);
  }

  /** Sends the results in the writer, of the next `count` keys. */
  #send(count: number): void {
    const { send, writer } = this.#options;
    const first = this.#at;
    this.#at += count;
    const isRead = send({ id: this.#id, first, count, results: writer.take() });
    if (isRead || this.#at === this.#count) this.goOn();
  }
}
