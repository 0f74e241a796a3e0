// `stele cli COMMAND ...`, and commands read from a pipe: no prompt, replies as redis-cli prints
// them (formatted on a terminal, raw elsewhere), exit code 1 if any of them is an error.

import { setTimeout as sleep } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { SteleError } from '../../base/errors.ts';
import { errorJson, EXIT_FAILED, EXIT_OK, exitCodeOfError } from '../exit.ts';
import type { Output } from '../output.ts';
import { helpText } from './help.ts';
import { printReply } from './reply-form.ts';
import type { ReplyForm } from './reply-form.ts';
import type { CliSession } from './repl-session.ts';
import { errorOfReply } from './reply-texts.ts';
import { splitArguments } from './split-arguments.ts';

/** How often a command is sent (Infinity: until it is interrupted), and the pause in between. */
export interface Repetition {
  readonly times: number;
  readonly intervalMs: number;
}

const ONCE: Repetition = { times: 1, intervalMs: 0 };

/** Sends one command, perhaps repeatedly, and prints its replies; returns the largest exit code. */
export async function runCommand(
  session: CliSession,
  args: readonly (string | Buffer)[],
  output: Output,
  form: ReplyForm = 'table',
  { times, intervalMs }: Repetition = ONCE,
): Promise<number> {
  let code = EXIT_OK;
  for (let left = times; left > 0; left--) {
    code = Math.max(code, await runOnce(session, args, output, form));
    if (left > 1 && intervalMs > 0) await sleep(intervalMs);
  }
  return code;
}

async function runOnce(
  session: CliSession,
  args: readonly (string | Buffer)[],
  output: Output,
  form: ReplyForm,
): Promise<number> {
  const reply = await session.execute(args);
  if (reply === undefined) return EXIT_OK;
  // The most likely mistake is reading without -k when there is no keyspace `default`.
  const isOfKeyspace = reply.type === 'error' && /keyspace/i.test(reply.text);
  const hint = isOfKeyspace ? await session.defaultKeyspaceHint() : undefined;
  if (hint !== undefined) throw new SteleError('KEYSPACE_NOT_FOUND', hint);
  printReply(args, reply, output, form);
  return reply.type === 'error' ? exitCodeOfError(errorOfReply('it', reply.text)) : EXIT_OK;
}

/**
 * Runs every line of `input` as one command, in order, until the end of the input or `quit`. `use`,
 * `help` and comments (`#`) work as in the REPL. A keyspace that cannot be selected ends the
 * script, because the following commands would read another one. Returns the largest exit code of
 * all commands.
 */
export async function runPiped(
  session: CliSession,
  input: NodeJS.ReadableStream,
  output: Output,
  form: ReplyForm = 'table',
): Promise<number> {
  let code = EXIT_OK;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const args = splitArguments(line);
    if (args === undefined) {
      const sentence = 'Invalid argument(s): the quotes do not balance.';
      output.errorLine(
        form === 'json' ? errorJson('INVALID_ARGUMENT', sentence) : `stele: ${sentence}`,
      );
      code = EXIT_FAILED;
      continue;
    }
    const [first = '', ...rest] = args.map(String);
    const name = first.toLowerCase();
    if (name === 'quit' || name === 'exit') break;
    if (name === 'help' || name === '?') output.line(await helpText(session, ...rest));
    else {
      const sent = name === 'use' ? ['SELECT', ...args.slice(1)] : args;
      const done = await runCommand(session, sent, output, form);
      code = Math.max(code, done);
      if (done !== EXIT_OK && (name === 'use' || name === 'select')) break;
    }
  }
  return code;
}
