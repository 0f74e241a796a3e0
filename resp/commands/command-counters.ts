// The counters of INFO commandstats and errorstats: calls and approximate time per command, and
// errors sent.
//
// Counted once per run of commands (command-times.ts).

import { COMMAND_SPECS } from './command-spec.ts';

/** One for all connections of a listener. */
export class CommandCounters {
  /** Calls by command id. */
  readonly calls = new Float64Array(COMMAND_SPECS.length);
  readonly milliseconds = new Float64Array(COMMAND_SPECS.length);
  /** Errors by their first word. */
  readonly errors = new Map<string, number>();
  errorsTotal = 0;

  /** Adds calls of a command, and the time that they took. */
  add(id: number, calls: number, milliseconds: number): void {
    this.calls[id] = (this.calls[id] as number) + calls;
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
