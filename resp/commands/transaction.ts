// MULTI ... EXEC: commands are queued and then run in one step.
//
//   MULTI   +OK
//   GET a   +QUEUED     copied; an error (unknown, refused, too large) makes EXEC fail with EXECABORT
//   EXEC    *1 ...      all at once: no version switch happens in between, so all reads see one version
//
// EXEC writes the head of its array and passes the commands to the connection, which runs them as
// if they had been pipelined: their replies follow in order, now or when datanodes have answered.
// WATCH remembers the version of the selected keyspace; if another one is current at EXEC, nothing
// runs and the reply is null.

import type { CommandSpec } from './command-spec.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

/** Limit of arguments in all commands together: as many as one command may have. */
const ARGUMENTS_MAX = 65_536;
/** How many arguments an expensive command counts for. */
const LARGE_WORK_ARGUMENTS = 4096;
const QUEUED_BYTES_MAX = 1024 * 1024;

/** Commands that are not queued. */
const AT_ONCE: ReadonlySet<string> = new Set([
  'discard',
  'exec',
  'multi',
  'quit',
  'reset',
  'watch',
]);
/**
 * Commands that are not allowed in a transaction, because they change how replies are sent or leave
 * the order of replies.
 */
const NOT_INSIDE: ReadonlySet<string> = new Set([
  'client|reply',
  'hello',
  'subscribe',
  'unsubscribe',
]);

/** A queued command, with bytes of its own. */
export interface QueuedCommand extends CommandArguments {
  readonly spec: CommandSpec;
  readonly longestBytes: number;
}

export class Transaction {
  readonly commands: QueuedCommand[] = [];
  /** Whether a queued command was wrong, so that EXEC must fail. */
  aborted = false;
  /** Memory that the queued commands take. */
  byteCount = 0;
  #argumentCount = 0;

  /** Whether a command waits for EXEC; others run at once. */
  waits(spec: CommandSpec): boolean {
    return !AT_ONCE.has(spec.name);
  }

  /** Queues a command and writes +QUEUED, or writes an error. */
  queue(
    spec: CommandSpec,
    command: CommandArguments & { readonly longestBytes: number },
    out: ReplyWriter,
  ): void {
    if (NOT_INSIDE.has(spec.name)) {
      return this.#refuse(`ERR Command '${spec.name}' not allowed inside a transaction`, out);
    }
    const { argc, starts, ends, longestBytes } = command;
    const first = starts[0] as number;
    const byteCount = (ends[argc - 1] as number) - first;
    this.byteCount += byteCount + argc * 8;
    this.#argumentCount += spec.barrier ? LARGE_WORK_ARGUMENTS : argc;
    if (this.byteCount > QUEUED_BYTES_MAX || this.#argumentCount > ARGUMENTS_MAX) {
      return this.#refuse(
        'ERR The transaction is too large; send fewer commands in one MULTI',
        out,
      );
    }
    this.commands.push({
      spec,
      argc,
      longestBytes,
      buffer: Buffer.from(command.buffer.subarray(first, first + byteCount)),
      starts: starts.slice(0, argc).map((at) => at - first),
      ends: ends.slice(0, argc).map((at) => at - first),
    });
    out.simple('QUEUED');
  }

  #refuse(error: string, out: ReplyWriter): void {
    this.aborted = true;
    this.commands.length = 0;
    out.error(error);
  }
}
