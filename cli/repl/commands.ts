// Carries out one line typed into the REPL. Independent of terminals.
//
//   use KS, help [COMMAND], clear, quit, exit    are handled here
//   pretty COMMAND, hex COMMAND, N COMMAND       go to the server without their first word
//   anything else                                goes to the server

import type { Reply } from '../../client/resp-client.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { sentenceOf } from '../exit.ts';
import { nearestTo } from '../suggestions.ts';
import { commandDocs, knownDocs } from './command-docs.ts';
import { helpText } from './help.ts';
import type { RecentKeys } from './recent-keys.ts';
import type { CliSession } from './repl-session.ts';
import { splitArguments } from './split-arguments.ts';
import { hexDump, prettyValue } from './value-views.ts';

type Arguments = readonly (string | Buffer)[];

/** What a line needs besides its text. */
export interface LineContext {
  readonly session: CliSession;
  readonly recent: RecentKeys;
  /** Prints a text of the REPL. */
  readonly say: (text: string) => void;
  /** Prints the reply to a command. */
  readonly reply: (args: Arguments, reply: Reply) => void;
  /** Prints how long a command took, in ms. */
  readonly latency: (latencyMs: number) => void;
}

/** What the terminal has to do after a line. */
export type AfterLine = 'go-on' | 'clear' | 'quit';

/** Carries out one line. Never throws: errors are printed. */
export async function runLine(context: LineContext, line: string): Promise<AfterLine> {
  const args = splitArguments(line);
  if (args === undefined) context.say('Invalid argument(s): the quotes do not balance.');
  if (args === undefined || args.length === 0) return 'go-on';
  const [first = ''] = args.map((arg) => arg.toString('utf8').toLowerCase());
  if (first === 'quit' || first === 'exit') return 'quit';
  if (first === 'clear') return 'clear';
  try {
    await runWords(context, args, first);
  } catch (thrown) {
    context.say(sentenceOf(thrown));
  }
  return 'go-on';
}

async function runWords(
  context: LineContext,
  args: readonly Buffer[],
  first: string,
): Promise<void> {
  const rest = args.slice(1);
  switch (first) {
    case 'help':
    case '?':
      return context.say(await helpText(context.session, ...rest.map(String)));
    case 'use':
      if (args.length !== 2) return context.say('Write: use KEYSPACE');
      return send(context, ['SELECT', ...rest]);
    case 'pretty':
    case 'hex':
      if (rest.length === 0) return context.say(`Write: ${first} COMMAND, as in ${first} GET key`);
      return send({ ...context, reply: viewOf(context, first) }, rest);
    default:
      if (!/^\d{1,9}$/.test(first) || rest.length === 0) return send(context, args);
      // Each command in flight can be given up with Ctrl-C, which throws.
      for (let times = Number(first); times > 0; times--) await send(context, rest);
  }
}

/**
 * Prints the values of a reply in another form, each on lines of its own, and the rest as always.
 */
function viewOf(context: LineContext, form: 'pretty' | 'hex'): LineContext['reply'] {
  const view = form === 'pretty' ? prettyValue : hexDump;
  const print = (args: Arguments, reply: Reply): void => {
    if (reply.type === 'bulk' || reply.type === 'verbatim') context.say(view(reply.bytes));
    else if (reply.type === 'array' || reply.type === 'set') {
      for (const item of reply.items) print(args, item);
    } else context.reply(args, reply);
  };
  return print;
}

async function send(context: LineContext, args: Arguments): Promise<void> {
  const { session } = context;
  // Connects before the time is taken, because connecting is not part of the command.
  if (!session.isConnected) await session.connect();
  const startMs = monotonicNowMs();
  const reply = await session.execute(args);
  if (reply === undefined) return;
  const latencyMs = monotonicNowMs() - startMs;
  context.reply(args, reply);
  const isUnknown = reply.type === 'error' && reply.text.startsWith('ERR unknown command');
  if (isUnknown) {
    const near = nearestTo(String(args[0]), (await commandDocs(session)).keys());
    if (near !== undefined) context.say(`Did you mean ${near}?`);
  }
  context.recent.add(args, knownDocs(session));
  context.latency(latencyMs);
}
