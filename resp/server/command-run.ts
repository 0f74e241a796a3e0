// The present run of commands of a connection (commands/command-times.ts). Hot: no closures, no allocation.

import type { Clock } from '../../base/clock.ts';
import type { CommandSpec } from '../commands/command-spec.ts';
import type { CommandTimes } from '../commands/command-times.ts';
import type { PendingReply } from '../commands/pending-reply.ts';
import type { Session } from '../commands/session.ts';
import type { CommandArguments } from '../wire/decoder.ts';

export class CommandRun {
  /** The command that ran last. */
  last: CommandSpec | undefined;
  /** Commands of the run that have their replies. */
  answered = 0;
  readonly #session: Session;
  readonly #times: CommandTimes;
  readonly #nowMs: Clock;
  #beganMs = 0;
  #lastWaits = false;

  constructor(session: Session, { nowMs, times }: { nowMs: Clock; times: CommandTimes }) {
    this.#session = session;
    this.#times = times;
    this.#nowMs = nowMs;
  }

  /** Whether a run ends after the last command. */
  get endsHere(): boolean {
    return this.last?.isTimed === true || this.#times.isExact;
  }

  begin(nowMs: number): void {
    this.#beganMs = nowMs;
  }

  /** Adds a command that has just run; `pending` is its reply if it is not known yet. */
  add(spec: CommandSpec, pending: PendingReply | undefined, command: CommandArguments): void {
    this.last = spec;
    this.#lastWaits = pending !== undefined;
    if (pending === undefined) this.answered++;
    else this.#times.noteWaiting(pending, spec, command);
  }

  /** Ends the run and begins the next one. `command` has the arguments of the last one. Returns the time. */
  end(command: CommandArguments): number {
    const nowMs = this.#nowMs();
    if (this.last !== undefined && (this.answered > 0 || this.#lastWaits)) {
      const shown = this.#lastWaits ? undefined : command;
      const tookMs = nowMs - this.#beganMs;
      this.#times.noteRun(this.last, tookMs, this.answered, shown, this.#session);
    }
    this.#beganMs = nowMs;
    this.answered = 0;
    this.#lastWaits = false;
    return nowMs;
  }
}
