// INFO commandstats and errorstats: how often each command ran, about how long, and which errors were sent.
//
// Hot: a number a command, and the clock once a turn. The time of a turn counts for its last command: a
// turn is mostly one kind of command, and over many turns a mixture comes out in its proportions.

import { COMMAND_SPECS } from './command-spec.ts';

/** One for all connections of a listener. */
export class CommandCounters {
  /** By the id of the command. */
  readonly calls = new Float64Array(COMMAND_SPECS.length);
  readonly milliseconds = new Float64Array(COMMAND_SPECS.length);
  /** By the first word of the error. */
  readonly errors = new Map<string, number>();
  errorsTotal = 0;

  /** Adds the time of a turn to that of its last command. */
  addTime(id: number, milliseconds: number): void {
    this.milliseconds[id] = (this.milliseconds[id] as number) + milliseconds;
  }

  noteError(text: string): void {
    const word = text.slice(0, Math.max(0, text.indexOf(' ')));
    this.errorsTotal++;
    this.errors.set(word, (this.errors.get(word) ?? 0) + 1);
  }

  reset(): void {
    this.calls.fill(0);
    this.milliseconds.fill(0);
    this.errors.clear();
    this.errorsTotal = 0;
  }
}
