// The replies of one connection that cannot be sent yet, in the order of their commands.
//
//   head                                         tail
//   [pending GET][bytes of PING][pending GET][pending MGET (done)] ...
//
// Only finished replies at the head may be sent. Always empty if the backend answers at once.

import { RESP_OUTPUT_PAUSE_BYTES } from '../../base/limits.ts';
import type { Logger } from '../../base/log.ts';
import type { PendingReply } from '../commands/pending-reply.ts';
import { writeFailure } from './dispatch.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

type Entry = PendingReply | Buffer[];

const PENDING_REPLIES_MAX = 10_000;
const HELD_BYTES_MAX = RESP_OUTPUT_PAUSE_BYTES;

const COMPACT_ENTRIES_MIN = 1024;
/**
 * Finished replies up to this size are copied together, because each chunk of a write has a cost.
 */
const COPY_BYTES_MAX = 2048;

export class ReplyQueue {
  /** Replies that are still to be written, finished or not. */
  pendingCount = 0;
  /** Bytes of finished replies that wait for unfinished ones. */
  heldBytes = 0;
  #entries: Entry[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#entries.length;
  }

  /** Whether at least this share of the allowed replies or bytes is in use. */
  fills(share: number): boolean {
    return (
      this.pendingCount >= PENDING_REPLIES_MAX * share || this.heldBytes >= HELD_BYTES_MAX * share
    );
  }

  /** Appends finished bytes. */
  addChunks(chunks: Buffer[]): void {
    for (const chunk of chunks) this.heldBytes += chunk.length;
    this.#entries.push(chunks);
  }

  addPending(pending: PendingReply): void {
    this.pendingCount++;
    this.#entries.push(pending);
  }

  /**
   * Notes that `pending` is done; returns true if it is at the head, so that draining is
   * worthwhile.
   */
  markReady(pending: PendingReply): boolean {
    pending.waiter = undefined;
    this.heldBytes += pending.replyBytes;
    return this.#entries[this.#head] === pending;
  }

  /** Writes the finished replies at the head. */
  drainTo(out: ReplyWriter, log: Logger): void {
    while (this.#head < this.#entries.length) {
      const entry = this.#entries[this.#head] as Entry;
      if (Array.isArray(entry)) this.#writeChunks(entry, out);
      else if (entry.done) this.#writePending(entry, out, log);
      else break;
      this.#head++;
    }
    this.#compact();
  }

  /** Drops all replies, because the client is gone. */
  abandon(): void {
    for (const entry of this.#entries.slice(this.#head)) {
      if (!Array.isArray(entry)) entry.waiter = undefined;
    }
    this.#entries = [];
    this.#head = 0;
    this.pendingCount = 0;
    this.heldBytes = 0;
  }

  #writeChunks(chunks: Buffer[], out: ReplyWriter): void {
    for (const chunk of chunks) {
      this.heldBytes -= chunk.length;
      if (chunk.length <= COPY_BYTES_MAX) out.raw(chunk);
      else out.append([chunk]);
    }
  }

  #writePending(pending: PendingReply, out: ReplyWriter, log: Logger): void {
    this.pendingCount--;
    // Without a waiter, markReady counted it; with one, it was done before it was queued.
    if (pending.waiter === undefined) this.heldBytes -= pending.replyBytes;
    pending.waiter = undefined;
    out.mark();
    try {
      pending.write(out);
    } catch (thrown) {
      writeFailure(thrown, { command: 'pending' }, out, log);
    }
  }

  #compact(): void {
    if (this.isEmpty) {
      if (this.#head > 0) this.#entries = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_ENTRIES_MIN && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}
