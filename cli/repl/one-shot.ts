// `stele cli COMMAND ...`, and commands read from a pipe: no prompt, replies as redis-cli prints them
// (formatted on a terminal, raw elsewhere), exit code 1 if any of them is an error.

import { createInterface } from 'node:readline';
import { EXIT_FAILED, EXIT_OK } from '../exit.ts';
import type { Output } from '../output.ts';
import { formatReplyRawTo, formatReplyTo } from './format-reply.ts';
import type { CliSession } from './session.ts';
import { splitArguments } from './split-arguments.ts';

/** Sends one command and prints its reply; returns the exit code. */
export async function runCommand(
  session: CliSession,
  args: readonly (string | Buffer)[],
  output: Output,
): Promise<number> {
  const reply = await session.execute(args);
  if (output.isTerminal) output.line(formatReplyTo(args, reply));
  else output.write(formatReplyRawTo(args, reply));
  if (reply.type !== 'error') return EXIT_OK;
  // Reading without -k where there is no `default` is the likeliest mistake of all.
  const hint = /keyspace/i.test(reply.text) ? await session.defaultKeyspaceHint() : undefined;
  if (hint !== undefined) output.errorLine(`stele: ${hint}`);
  return EXIT_FAILED;
}

/** Every line of `input` as one command, in order; stops at the end of the input or at QUIT. */
export async function runPiped(
  session: CliSession,
  input: NodeJS.ReadableStream,
  output: Output,
): Promise<number> {
  let code = EXIT_OK;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    const args = splitArguments(line);
    if (args === undefined) {
      output.errorLine('stele: Invalid argument(s): the quotes do not balance.');
      code = EXIT_FAILED;
    } else if (/^(?:quit|exit)$/i.test(args[0]?.toString() ?? '')) {
      break;
    } else if (args.length > 0) {
      code = Math.max(code, await runCommand(session, args, output));
    }
  }
  return code;
}
