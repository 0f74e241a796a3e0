// Replies that wait for reads from disk.
//
// A key that cannot be read here is redirected like one that is not here: another replica has it. If
// there is no other, the error says what the disk did.

import { tickNowMs } from '../../base/clock.ts';
import type { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { KeysReply, ValueReply } from '../../resp/commands/backend.ts';
import { PendingReply } from '../../resp/commands/pending-reply.ts';
import type { ReplyWriter } from '../../resp/wire/encoder.ts';
import { DiskAnswers } from '../reads/disk-answers.ts';
import type { DiskLookupReceiver } from '../reads/disk-lookup.ts';

const REPLY_OVERHEAD_BYTES = 16;

/** What replies need of the backend. */
export interface DiskReplies {
  /** Counts a hit or a miss; returns whether it is a hit. */
  counted(status: LookupStatus): boolean;
  /** Writes MOVED, or an error if no other node has the slot. */
  redirect(slot: number, out: ReplyWriter): void;
  latency(): { record(tookMs: number, count?: number): void };
}

/** The reply of GET, STRLEN, TYPE ... */
export class PendingDiskKey extends PendingReply implements DiskLookupReceiver {
  readonly #replies: DiskReplies;
  readonly #writeValue: ValueReply;
  readonly #slot: number;
  #value: Buffer | undefined;
  #status: LookupStatus = LookupStatus.UNAVAILABLE;
  #failure: SteleError | undefined;

  constructor(replies: DiskReplies, writeValue: ValueReply, slot: number) {
    super();
    this.#replies = replies;
    this.#writeValue = writeValue;
    this.#slot = slot;
  }

  answer(
    _index: number,
    status: LookupStatus,
    bytes: Buffer,
    start: number,
    end: number,
    isLent: boolean,
    failure: SteleError | undefined,
  ): void {
    this.#status = status;
    this.#failure = failure;
    if (status === LookupStatus.OK) {
      this.#value = isLent ? copyOf(bytes, start, end) : bytes.subarray(start, end);
      this.replyBytes = REPLY_OVERHEAD_BYTES + end - start;
    }
    if (status !== LookupStatus.UNAVAILABLE) this.#replies.counted(status);
    this.#replies.latency().record(tickNowMs() - this.beganMs);
    this.finish();
  }

  override write(out: ReplyWriter): void {
    if (this.#status === LookupStatus.UNAVAILABLE) {
      return redirectOrFail(this.#replies, this.#slot, this.#failure, out);
    }
    this.#writeValue(out, this.#value, 0, this.#value?.length ?? 0);
  }
}

/** The reply of MGET, EXISTS ... of one shard. */
export class PendingDiskKeys extends PendingReply {
  readonly answers: DiskAnswers;
  readonly #replies: DiskReplies;
  readonly #reply: KeysReply;
  readonly #slot: number;

  constructor(replies: DiskReplies, reply: KeysReply, slot: number) {
    super();
    this.#replies = replies;
    this.#reply = reply;
    this.#slot = slot;
    this.answers = new DiskAnswers(() => {
      const { answers, recordBytes } = this.answers;
      this.replyBytes = recordBytes + answers.length * REPLY_OVERHEAD_BYTES;
      replies.latency().record(tickNowMs() - this.beganMs, answers.length);
      this.finish();
    });
  }

  override write(out: ReplyWriter): void {
    const { answers, failure } = this.answers;
    if (answers.some(({ status }) => status === LookupStatus.UNAVAILABLE)) {
      return redirectOrFail(this.#replies, this.#slot, failure, out);
    }
    const found = answers.map(({ status }) => this.#replies.counted(status));
    const values = answers.map(({ value }, index) => (found[index] === true ? value : undefined));
    this.#reply.write(out, this.#reply.readsValues ? values : [], found.filter(Boolean).length);
  }
}

function redirectOrFail(
  replies: DiskReplies,
  slot: number,
  failure: SteleError | undefined,
  out: ReplyWriter,
): void {
  if (failure?.code === 'OVERLOADED') out.failure(failure);
  else replies.redirect(slot, out);
}

function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}
