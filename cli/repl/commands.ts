// Carries out one line typed into the REPL, and returns what to print. Independent of terminals.
//
//   use KS, help [COMMAND], clear, quit, exit    are handled here; anything else goes to the server

import { monotonicNowMs } from '../../base/clock.ts';
import { sentenceOf } from '../exit.ts';
import { formatReplyTo } from './format-reply.ts';
import { helpText } from './help.ts';
import type { CliSession } from './repl-session.ts';
import { splitArguments } from './split-arguments.ts';

export type LineResult =
  | { readonly action: 'print'; readonly text: string; readonly latencyMs: number | undefined }
  | { readonly action: 'nothing' | 'clear' | 'quit' };

/** Carries out one line. Never throws: errors are printed. */
export async function runLine(session: CliSession, line: string): Promise<LineResult> {
  const args = splitArguments(line);
  if (args === undefined) return print('Invalid argument(s): the quotes do not balance.');
  if (args.length === 0) return { action: 'nothing' };
  const [first = '', second] = args.map((arg) => arg.toString('utf8'));
  try {
    switch (first.toLowerCase()) {
      case 'quit':
      case 'exit':
        return { action: 'quit' };
      case 'clear':
        return { action: 'clear' };
      case 'help':
      case '?':
        return print(await helpText(session, second));
      case 'use':
        if (args.length !== 2) return print('Write: use KEYSPACE');
        return await send(session, ['SELECT', ...args.slice(1)]);
      default:
        return await send(session, args);
    }
  } catch (thrown) {
    return print(sentenceOf(thrown));
  }
}

function print(text: string, latencyMs?: number): LineResult {
  return { action: 'print', text, latencyMs };
}

async function send(session: CliSession, args: readonly (string | Buffer)[]): Promise<LineResult> {
  // Connects before the time is taken, because connecting is not part of the command.
  if (!session.isConnected) await session.connect();
  const startMs = monotonicNowMs();
  const reply = await session.execute(args);
  if (reply === undefined) return { action: 'nothing' };
  const latencyMs = monotonicNowMs() - startMs;
  return print(formatReplyTo(args, reply), latencyMs);
}
