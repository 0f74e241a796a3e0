// Runs one command: finds it in the table, checks it, and passes it to the session or the backend.
//
// A fault of the command itself becomes an error reply, with Redis's text where there is one.

import { SteleError, toSteleError } from '../../base/errors.ts';
import { KEY_BYTES_MAX } from '../../base/limits.ts';
import type { Logger } from '../../base/log.ts';
import type { ServerContext } from '../commands/backend.ts';
import type { PendingReply } from '../commands/pending-reply.ts';
import type { CommandSpec } from '../commands/command-spec.ts';
import { arityFits, findCommand, findSubcommand } from '../commands/command-table.ts';
import type { CommandArguments, CommandDecoder } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import type { Session } from '../commands/session.ts';
import { executeSessionCommand } from '../session/session-commands.ts';

const ARGUMENTS_SHOWN_MAX = 128;

/**
 * The spec of the current command. Returns undefined if it was already answered: by an error, by
 * help, or by +QUEUED in a transaction.
 */
export function resolveCommand(
  command: CommandDecoder,
  session: Session,
  out: ReplyWriter,
  context: ServerContext,
): CommandSpec | undefined {
  const spec = findSpec(command, out);
  const { transaction } = session;
  if (transaction === undefined) return spec;
  if (spec === undefined) transaction.aborted = true;
  else if (transaction.waits(spec)) {
    const isAdmitted =
      session.clearedAt === context.gate.generation || context.gate.admits(spec, session, out);
    if (!isAdmitted || !hasKeysHere(spec, command, session, out, context))
      transaction.aborted = true;
    else transaction.queue(spec, command, out);
    return undefined;
  }
  return spec;
}

function hasKeysHere(
  spec: CommandSpec,
  command: CommandArguments,
  session: Session,
  out: ReplyWriter,
  { backend, log }: ServerContext,
): boolean {
  if (spec.firstKey === 0 || backend.refusesKeys === undefined) return true;
  try {
    return !backend.refusesKeys(spec, command, session, out);
  } catch (thrown) {
    writeFailure(thrown, { command: spec.name, client: session.id }, out, log);
    return false;
  }
}

function findSpec(command: CommandArguments, out: ReplyWriter): CommandSpec | undefined {
  const { buffer, starts, ends } = command;
  let spec = findCommand(buffer, starts[0] as number, ends[0] as number);
  if (spec === undefined) {
    writeUnknownCommand(command, out);
    return undefined;
  }
  if (spec.subcommands.length > 0 && command.argc > 1) {
    const sub = findSubcommand(spec, buffer, starts[1] as number, ends[1] as number);
    if (sub === undefined) {
      writeUnknownSubcommand(spec, command, out);
      return undefined;
    }
    spec = sub;
  }
  if (spec.handler === 'refused') {
    out.error(spec.refusal);
    return undefined;
  }
  if (arityFits(spec, command.argc)) return spec;
  out.error(wrongArity(spec.name));
  return undefined;
}

/**
 * Runs a resolved command: afterwards `out` has one reply, or a PendingReply is returned. The
 * caller has called `out.mark()` where the reply begins. Never throws.
 */
export function executeCommand(
  spec: CommandSpec,
  command: CommandArguments & { readonly longestBytes: number },
  session: Session,
  out: ReplyWriter,
  context: ServerContext,
): PendingReply | undefined {
  const { gate } = context;
  if (session.clearedAt !== gate.generation && !gate.admits(spec, session, out)) return undefined;
  session.lastCommand = spec.name;
  try {
    if (command.longestBytes > KEY_BYTES_MAX) checkKeyLengths(spec, command);
    if (spec.handler !== 'session') return context.backend.execute(spec, command, session, out);
    if (gate.forbids(spec, session, out)) return undefined;
    return executeSessionCommand(spec, command, session, out, context);
  } catch (thrown) {
    writeFailure(thrown, { command: spec.name, client: session.id }, out, context.log);
  }
  return undefined;
}

/** What a line of the log says about the command that failed. */
interface AboutCommand {
  readonly command: string;
  /** As in CLIENT LIST. */
  readonly client?: number;
}

/** Replaces everything written since the mark by the error reply for `thrown`. */
export function writeFailure(
  thrown: unknown,
  about: AboutCommand,
  out: ReplyWriter,
  log: Logger,
): void {
  out.rewind();
  if (!(thrown instanceof SteleError)) log.error({ ...about, err: thrown }, 'a command failed');
  out.failure(toSteleError(thrown));
}

function checkKeyLengths(spec: CommandSpec, command: CommandArguments): void {
  if (spec.firstKey === 0) return;
  const last = spec.lastKey < 0 ? command.argc + spec.lastKey : spec.lastKey;
  for (let index = spec.firstKey; index <= last; index += spec.keyStep) {
    const length = (command.ends[index] as number) - (command.starts[index] as number);
    if (length > KEY_BYTES_MAX) {
      const text = `The key has ${length} bytes; a key has at most ${KEY_BYTES_MAX}.`;
      throw new SteleError('KEY_TOO_LONG', text);
    }
  }
}

function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

function writeUnknownCommand(command: CommandArguments, out: ReplyWriter): void {
  let shown = '';
  for (let i = 1; i < command.argc && shown.length < ARGUMENTS_SHOWN_MAX; i++) {
    shown += `'${cut(command, i, ARGUMENTS_SHOWN_MAX - shown.length)}' `;
  }
  const name = cut(command, 0, ARGUMENTS_SHOWN_MAX);
  out.error(`ERR unknown command '${name}', with args beginning with: ${shown}`);
}

/** At most `max` bytes of argument `index`, up to a NUL, like C's %s. */
function cut(command: CommandArguments, index: number, max: number): string {
  const start = command.starts[index] as number;
  const end = Math.min(command.ends[index] as number, start + max);
  return command.buffer.toString('utf8', start, end).split('\0', 1)[0] ?? '';
}

function writeUnknownSubcommand(
  container: CommandSpec,
  command: CommandArguments,
  out: ReplyWriter,
): void {
  const name = cut(command, 1, ARGUMENTS_SHOWN_MAX);
  const upper = container.name.toUpperCase();
  if (name.toLowerCase() === 'help' && command.argc === 2) writeHelp(container, out);
  else if (name.toLowerCase() === 'help') out.error(wrongArity(`${container.name}|help`));
  else out.error(`ERR unknown subcommand '${name}'. Try ${upper} HELP.`);
}

/** The reply to `CLIENT HELP` and the like, from the table. */
function writeHelp(container: CommandSpec, out: ReplyWriter): void {
  const upper = container.name.toUpperCase();
  const lines = [`${upper} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  for (const sub of container.subcommands) {
    lines.push(sub.name.slice(container.name.length + 1).toUpperCase(), `    ${sub.summary}.`);
  }
  lines.push('HELP', '    Print this help.');
  out.array(lines.length);
  for (const line of lines) out.simple(line);
}
