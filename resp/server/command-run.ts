// The present run of commands of a connection (commands/command-times.ts). Hot: no closures, no
// allocation.

import type { Clock } from '../../base/clock.ts';
import type { CommandSpec } from '../commands/command-spec.ts';
import type { CommandTimes } from '../commands/command-times.ts';
import type { PendingReply } from '../commands/pending-reply.ts';
import type { Session } from '../commands/session.ts';
import type { CommandArguments } from '../wire/decoder.ts';

export class CommandRun {
  /** Commands of the run that have their replies. */
  answered = 0;
  readonly #session: Session;
  readonly #times: CommandTimes;
  readonly #nowMs: Clock;
  #beganMs = 0;
  /** The command that ran last, and how many of it have just been answered in a row. */
  #last: CommandSpec | undefined;
  #lastCount = 0;
  #lastWaits = false;
  /** The rows of other commands before: ids and counts. */
  readonly #ids: number[] = [];
  readonly #counts: number[] = [];
  #rows = 0;

  constructor(session: Session, { nowMs, times }: { nowMs: Clock; times: CommandTimes }) {
    this.#session = session;
    this.#times = times;
    this.#nowMs = nowMs;
  }

  /** Whether a run ends after the last command. */
  get endsHere(): boolean {
    return this.#last?.isTimed === true || this.#times.isExact;
  }

  begin(nowMs: number): void {
    this.#beganMs = nowMs;
  }

  /** Adds a command that has just run; `pending` is its reply if it is not known yet. */
  add(spec: CommandSpec, pending: PendingReply | undefined, command: CommandArguments): void {
    if (spec !== this.#last) {
      this.#endRow();
      this.#last = spec;
    }
    this.#lastWaits = pending !== undefined;
    if (pending !== undefined) return this.#times.noteWaiting(pending, spec, command);
    this.answered++;
    this.#lastCount++;
  }

  /**
   * Ends the run and begins the next one. `command` has the arguments of the last one. Returns the
   * time.
   */
  end(command: CommandArguments): number {
    const nowMs = this.#nowMs();
    if (this.#last !== undefined && (this.answered > 0 || this.#lastWaits)) {
      this.#count(this.#last, nowMs - this.#beganMs, command);
    }
    this.#beganMs = nowMs;
    this.answered = 0;
    this.#lastCount = 0;
    this.#lastWaits = false;
    return nowMs;
  }

  /** Divides the time among all commands. */
  #count(last: CommandSpec, tookMs: number, command: CommandArguments): void {
    const eachMs = this.answered > 0 ? tookMs / this.answered : tookMs;
    for (let row = 0; row < this.#rows; row++) {
      this.#times.noteCalls(this.#ids[row] as number, eachMs, this.#counts[row] as number);
    }
    this.#rows = 0;
    this.#times.noteCalls(last.id, eachMs, this.#lastCount);
    this.#times.noteRun(last, tookMs, this.#lastWaits ? undefined : command, this.#session);
  }

  #endRow(): void {
    if (this.#last === undefined || this.#lastCount === 0) return;
    this.#ids[this.#rows] = this.#last.id;
    this.#counts[this.#rows++] = this.#lastCount;
    this.#lastCount = 0;
  }
}
