// Output and input limits: what the clients of a listener make it hold together, and what each may
// therefore hold.
//
//   output   replies that clients have not read: alone, a client may leave 128 MiB unread, so that one that
//            sends a whole pipeline before it reads gets all replies
//   input    commands that have not arrived completely: alone, a client may have 128 MiB of one
//
// Both are generous while few clients use them. Above a total of 128 MiB unread, each client may
// leave 4 MiB, above 256 MiB 64 KiB. A client that is over its limit and has sent more commands
// waits for us to read, as we wait for it: it is closed if it reads nothing for half a minute.
// Above 256 MiB, any client that reads nothing for so long is closed. Above 256 MiB of unfinished
// commands, a client with more than 64 KiB of a command is closed when it sends more. So memory is
// bounded by the two totals and 192 KiB per client, and a client that sends small commands and
// reads the replies is not affected.
//
// All of it counts in the process's byte budget (base/byte-budget.ts); while that is full, by
// whatever port, the lowest limits apply here too.
//
// An event-loop tick is limited as well: otherwise 200 clients that each ask for megabytes at the
// same time would write them all in one turn, and the others would wait for a third of a second.
// Once 8 MiB are written in a turn, each client writes at most 32 KiB until the next one.

import { setImmediate } from 'node:timers';
import { clientBytes } from '../../base/byte-budget.ts';
import type { ByteBudget } from '../../base/byte-budget.ts';
import { RESP_OUTPUT_PAUSE_BYTES } from '../../base/limits.ts';
import { REPLY_BYTES_MAX } from '../wire/encoder.ts';

const MiB = 1024 * 1024;
// Not below a socket's high-water mark (64 KiB), under which no 'drain' would be emitted.
const SMALL_BYTES = 64 * 1024;
/** A turn that has written this much sends it before it continues. */
const TURN_OUTPUT_BYTES = MiB;
/**
 * Limit of what all clients may write in an event-loop tick before small limits apply: more than 50
 * pipelines of 16 x 10 KB.
 */
const LOOP_OUTPUT_BYTES = 8 * MiB;
const LOOP_SMALL_BYTES = 32 * 1024;

/** Limits over all clients of a listener. */
export interface TotalLimits {
  /** Total of unread replies above which the smallest limit applies to each client. */
  readonly outputTotalBytes: number;
  /** Total of unread replies that one more large reply may reach. */
  readonly outputHardBytes: number;
  /** Total of unfinished commands above which the larger ones are refused. */
  readonly inputTotalBytes: number;
  /** How long a client may read nothing while the total is exceeded. */
  readonly stalledMsMax: number;
}

const LIMITS: TotalLimits = {
  outputTotalBytes: 256 * MiB,
  outputHardBytes: 1024 * MiB,
  inputTotalBytes: 256 * MiB,
  stalledMsMax: 28_000,
};

export class ClientLimits {
  readonly #limits: TotalLimits;
  readonly #budget: ByteBudget;
  /** Bytes of replies that have not been read, over all clients. */
  outputBytes = 0;
  /** Bytes of unfinished commands, over all clients. */
  inputBytes = 0;
  /** Bytes written by all turns in this iteration of the event loop. */
  #loopBytes = 0;
  readonly #loopOver = (): void => {
    this.#loopBytes = 0;
  };

  /** `budget` is that of the process, which other ports share. */
  constructor(limits: Partial<TotalLimits> = {}, budget: ByteBudget = clientBytes) {
    this.#budget = budget;
    this.#limits = { ...LIMITS, ...limits };
  }

  /** Adds `byteCount` (may be negative) to the unread bytes. */
  noteOutput(byteCount: number): void {
    this.outputBytes += byteCount;
    this.#budget.usedBytes += byteCount;
  }

  /** Adds `byteCount` (may be negative) to the bytes of unfinished commands. */
  noteInput(byteCount: number): void {
    this.inputBytes += byteCount;
    this.#budget.usedBytes += byteCount;
  }

  get isOverTotal(): boolean {
    return this.outputBytes > this.#limits.outputTotalBytes || this.#budget.isFull;
  }

  /** How much a client may leave unread before its input is no longer read. */
  get unreadBytesMax(): number {
    if (this.isOverTotal) return SMALL_BYTES;
    const aloneBytesMax = this.#limits.outputTotalBytes / 2;
    return this.outputBytes > aloneBytesMax ? RESP_OUTPUT_PAUSE_BYTES : aloneBytesMax;
  }

  /** What one turn of a client may write. */
  get turnBytesMax(): number {
    if (this.#loopBytes > LOOP_OUTPUT_BYTES) return LOOP_SMALL_BYTES;
    return this.isOverTotal ? SMALL_BYTES : TURN_OUTPUT_BYTES;
  }

  /**
   * Counts what a turn of a client has written. Small turns do not count, because each would need
   * an immediate.
   */
  noteTurn(byteCount: number): void {
    if (byteCount <= LOOP_SMALL_BYTES) return;
    if (this.#loopBytes === 0) setImmediate(this.#loopOver);
    this.#loopBytes += byteCount;
  }

  /** Limit for the next reply, not counting large values that are only referenced. */
  get replyBytesMax(): number {
    const left = this.#limits.outputHardBytes - this.outputBytes;
    return Math.max(2 * SMALL_BYTES, Math.min(REPLY_BYTES_MAX, left));
  }

  /** Whether a client with so many bytes of an unfinished command must be closed. */
  isInputTooMuch(heldBytes: number): boolean {
    const isFull = this.inputBytes > this.#limits.inputTotalBytes || this.#budget.isFull;
    return isFull && heldBytes > SMALL_BYTES;
  }

  /**
   * Whether a client that has read nothing for so long must be closed. `isWaiting`: its next
   * commands are not read.
   */
  isStalled(forMs: number, isWaiting: boolean): boolean {
    return (isWaiting || this.isOverTotal) && forMs > this.#limits.stalledMsMax;
  }
}
