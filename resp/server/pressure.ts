// What the clients of a listener make it hold, all together, and what each may therefore hold.
//
//   output   replies that clients have not taken: by itself a client may leave 128 MiB unread, so that one
//            that sends a whole pipeline before it reads gets all replies
//   input    commands that have not arrived whole: by itself a client may be at 128 MiB of one
//
// Both are generous as long as few use them. Above a total of 128 MiB unread a client is held to 4 MiB, above
// 256 MiB to 64 KiB. One that is over its bound and has sent more commands waits for us to read, as we wait for it:
// it is closed when it takes nothing for half a minute, and so is any that takes nothing while there are more than
// 256 MiB. Above 256 MiB unfinished one that has more than 64 KiB of a command is closed when it sends more. So memory is bounded by the two totals
// and by 192 KiB a client, and whoever sends small commands and reads the replies notices nothing.
//
// All of it is part of the process's byte budget (base/byte-budget.ts): while that is full, by whatever port, it is
// as crowded here.
//
// A turn of the event loop is bounded, too: 200 clients that each ask for megabytes at the same time would each
// write one in it, and everybody else would wait for a third of a second. The first of them may; once 8 MiB
// are written each writes 32 KiB a turn until the loop comes round.

import { setImmediate } from 'node:timers';
import { clientBytes } from '../../base/byte-budget.ts';
import type { ByteBudget } from '../../base/byte-budget.ts';
import { RESP_OUTPUT_PAUSE_BYTES } from '../../base/limits.ts';
import { REPLY_BYTES_MAX } from '../wire/encoder.ts';

const MiB = 1024 * 1024;
// Not below a socket's high-water mark (64 KiB): under it no 'drain' would come.
const SMALL_BYTES = 64 * 1024;
/** A turn that has written this much sends it before it goes on. */
const TURN_OUTPUT_BYTES = MiB;
/** What all clients may write in a turn of the event loop before each is held to little; more than 50 pipelines of 16 x 10 KB. */
const LOOP_OUTPUT_BYTES = 8 * MiB;
const LOOP_SMALL_BYTES = 32 * 1024;

/** Totals over all clients of a listener. */
export interface PressureLimits {
  /** Unread replies above which clients are held to little. */
  readonly outputTotalBytes: number;
  /** What unread replies may come to by one more large one. */
  readonly outputHardBytes: number;
  /** Unfinished commands above which the larger ones are refused. */
  readonly inputTotalBytes: number;
  /** How long a client may take nothing while the output is crowded. */
  readonly stalledMsMax: number;
}

const LIMITS: PressureLimits = {
  outputTotalBytes: 256 * MiB,
  outputHardBytes: 1024 * MiB,
  inputTotalBytes: 256 * MiB,
  stalledMsMax: 28_000,
};

export class Pressure {
  readonly #limits: PressureLimits;
  readonly #budget: ByteBudget;
  /** Replies not taken yet, of all clients. */
  outputBytes = 0;
  /** Unfinished commands, of all clients. */
  inputBytes = 0;
  /** Written by all turns since the event loop came round. */
  #loopBytes = 0;
  readonly #loopOver = (): void => {
    this.#loopBytes = 0;
  };

  /** `budget` is that of the process, which other ports take from, too. */
  constructor(limits: Partial<PressureLimits> = {}, budget: ByteBudget = clientBytes) {
    this.#budget = budget;
    this.#limits = { ...LIMITS, ...limits };
  }

  /** A client has so many bytes more (or less) to take. */
  noteOutput(byteCount: number): void {
    this.outputBytes += byteCount;
    this.#budget.usedBytes += byteCount;
  }

  /** Unfinished commands have so many bytes more (or less). */
  noteInput(byteCount: number): void {
    this.inputBytes += byteCount;
    this.#budget.usedBytes += byteCount;
  }

  get isCrowded(): boolean {
    return this.outputBytes > this.#limits.outputTotalBytes || this.#budget.isFull;
  }

  /** What a client may leave unread before it is not read any more either. */
  get unreadBytesMax(): number {
    if (this.isCrowded) return SMALL_BYTES;
    const aloneBytesMax = this.#limits.outputTotalBytes / 2;
    return this.outputBytes > aloneBytesMax ? RESP_OUTPUT_PAUSE_BYTES : aloneBytesMax;
  }

  /** What one turn of a client may write. */
  get turnBytesMax(): number {
    if (this.#loopBytes > LOOP_OUTPUT_BYTES) return LOOP_SMALL_BYTES;
    return this.isCrowded ? SMALL_BYTES : TURN_OUTPUT_BYTES;
  }

  /** A turn of a client has written so much. Small ones do not count: there would be an immediate for each. */
  noteTurn(byteCount: number): void {
    if (byteCount <= LOOP_SMALL_BYTES) return;
    if (this.#loopBytes === 0) setImmediate(this.#loopOver);
    this.#loopBytes += byteCount;
  }

  /** What the next reply may have, large values that are only referenced apart. */
  get replyBytesMax(): number {
    const left = this.#limits.outputHardBytes - this.outputBytes;
    return Math.max(2 * SMALL_BYTES, Math.min(REPLY_BYTES_MAX, left));
  }

  /** Whether a client with so much of an unfinished command must go. */
  isInputTooMuch(heldBytes: number): boolean {
    const isFull = this.inputBytes > this.#limits.inputTotalBytes || this.#budget.isFull;
    return isFull && heldBytes > SMALL_BYTES;
  }

  /** Whether a client that has taken nothing for so long must go; `isWaiting`: its next commands are not read. */
  isStalled(forMs: number, isWaiting: boolean): boolean {
    return (isWaiting || this.isCrowded) && forMs > this.#limits.stalledMsMax;
  }
}
