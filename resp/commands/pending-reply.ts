// A reply that is not known yet, because it waits for datanodes or for other work.

import { tickNowMs } from '../../base/clock.ts';
import type { CommandSpec } from './command-spec.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

/** Notified when a pending reply is done. */
export interface PendingReplyWaiter {
  replyReady(pending: PendingReply): void;
}

/**
 * A command that will be answered later. Every pending reply must be completed by `finish`: with a
 * value, or with an error after a deadline.
 */
export abstract class PendingReply {
  done = false;
  /**
   * Approximate bytes that `write` will write; 0 while unknown. Counts towards the connection's
   * limit.
   */
  replyBytes = 0;
  /**
   * Set by the connection right after `execute`; undefined again once the reply is no longer
   * wanted.
   */
  waiter: PendingReplyWaiter | undefined = undefined;
  /** When the command ran, by `tickNowMs`. */
  beganMs = tickNowMs();
  /**
   * What the slow log shows of it: the command and the number of its arguments, set by the
   * connection.
   */
  spec: CommandSpec | undefined = undefined;
  argc = 0;
  /** Its first argument, where the backend has a copy of it anyway. */
  key: Uint8Array | undefined = undefined;
  /** Copies of its arguments, where it has none. */
  shown: readonly Buffer[] | undefined = undefined;

  /** Writes the whole reply; called at most once, after `done`. */
  abstract write(out: ReplyWriter): void;

  /** Marks the reply as done and notifies the connection; called exactly once. */
  protected finish(): void {
    this.done = true;
    this.waiter?.replyReady(this);
  }
}
