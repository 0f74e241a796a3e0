// `stele cli COMMAND ...`, and commands read from a pipe: no prompt, replies as redis-cli prints them
// (formatted on a terminal, raw elsewhere), exit code 1 if any of them is an error.

import { createInterface } from 'node:readline';
import { SteleError } from '../../base/errors.ts';
import { errorJson, EXIT_FAILED, EXIT_NOT_READY, EXIT_OK } from '../exit.ts';
import type { Output } from '../output.ts';
import { formatReplyRawTo, formatReplyTo } from './format-reply.ts';
import { helpText } from './help.ts';
import { replyErrorJson, replyJson } from './reply-json.ts';
import type { CliSession } from './repl-session.ts';
import { splitArguments } from './split-arguments.ts';

/** How replies are printed: as redis-cli does, or each as one line of JSON. */
export type ReplyForm = 'table' | 'json';

/** Sends one command and prints its reply; returns the exit code. */
export async function runCommand(
  session: CliSession,
  args: readonly (string | Buffer)[],
  output: Output,
  form: ReplyForm = 'table',
): Promise<number> {
  const reply = await session.execute(args);
  if (reply === undefined) return EXIT_OK;
  // The most likely mistake is reading without -k when there is no keyspace `default`.
  const isOfKeyspace = reply.type === 'error' && /keyspace/i.test(reply.text);
  const hint = isOfKeyspace ? await session.defaultKeyspaceHint() : undefined;
  if (hint !== undefined) throw new SteleError('KEYSPACE_NOT_FOUND', hint);
  if (form === 'json') {
    if (reply.type === 'error') output.errorLine(replyErrorJson(reply.text));
    else output.line(JSON.stringify(replyJson(reply)));
  } else if (output.isTerminal) output.line(formatReplyTo(args, reply));
  else output.write(formatReplyRawTo(args, reply));
  return reply.type === 'error' ? exitCodeOfReply(reply.text) : EXIT_OK;
}

/** The exit code for an error reply; its first word says whether the server is not ready. */
function exitCodeOfReply(error: string): number {
  return /^(?:LOADING|CLUSTERDOWN)\b/.test(error) ? EXIT_NOT_READY : EXIT_FAILED;
}

/**
 * Runs every line of `input` as one command, in order, until the end of the input or `quit`. `use`, `help`
 * and comments (`#`) work as in the REPL. A keyspace that cannot be selected ends the script, because the
 * following commands would read another one. Returns the largest exit code of all commands.
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
    const [first = '', second] = args.map(String);
    const name = first.toLowerCase();
    if (name === 'quit' || name === 'exit') break;
    if (name === 'help' || name === '?') output.line(await helpText(session, second));
    else {
      const sent = name === 'use' ? ['SELECT', ...args.slice(1)] : args;
      const done = await runCommand(session, sent, output, form);
      code = Math.max(code, done);
      if (done !== EXIT_OK && (name === 'use' || name === 'select')) break;
    }
  }
  return code;
}
