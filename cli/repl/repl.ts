// The interactive `stele cli`. node:repl provides line editing and Ctrl-R; evaluation, completion,
// hints, printing, the history file and Ctrl-C are implemented here.
//
// Ctrl-C cancels a command in flight, or the line being typed; Ctrl-D and `quit` leave. Lines run
// one after the other, in the order in which they were typed or pasted.

import { homedir } from 'node:os';
import { join } from 'node:path';
import { start } from 'node:repl';
import type { ReplOptions, REPLServer } from 'node:repl';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { sentenceOf } from '../exit.ts';
import type { Output } from '../output.ts';
import { commandDocs, knownDocs } from './command-docs.ts';
import { runLine } from './commands.ts';
import type { LineContext } from './commands.ts';
import { completeLine } from './complete.ts';
import { GENERAL_HELP } from './help.ts';
import { hintFor, showHints } from './hints.ts';
import { appendHistory, isKept, LINES_MAX, loadHistory } from './history.ts';
import { RecentKeys } from './recent-keys.ts';
import { printReply } from './reply-form.ts';
import type { ReplyForm } from './reply-form.ts';
import type { CliSession } from './repl-session.ts';

const HISTORY_FILE = '.stele_history';
const CLEAR_SCREEN = '\u001B[H\u001B[2J\u001B[3J';

/** Runs until the user leaves. It also starts if the server is not reachable yet. */
export async function runRepl(
  session: CliSession,
  output: Output,
  form: ReplyForm = 'table',
): Promise<void> {
  await greet(session, output);
  const recent = new RecentKeys();
  const context: LineContext = {
    session,
    recent,
    say: (text) => output.line(text),
    reply: (args, reply) => printReply(args, reply, output, form),
    latency: (ms) => output.line(output.paint('dim', `(${ms.toFixed(2)} ms)`)),
  };
  const evaluator = new Evaluator(context, output, () => repl);
  const options: ReplOptions & { historySize: number } = {
    // An option of readline that the types of node:repl lack.
    historySize: LINES_MAX,
    prompt: session.prompt,
    ignoreUndefined: true,
    preview: false,
    useColors: false,
    writer: String,
    eval: (line: string, _context: unknown, _file: string, done: EvalCallback) =>
      evaluator.evaluate(line, done),
    completer: (line: string, done: CompleterCallback) => {
      complete(context, line).then(
        (result) => done(null, result),
        () => done(null, [[], line]),
      );
    },
  };
  const repl = start(options);
  replaceDotCommands(repl, output);
  giveUpAtControlC(repl, evaluator, output);
  keepHistory(repl, output);
  const terminal = {
    input: process.stdin,
    columns: () => process.stdout.columns,
    write: (text: string) => output.write(text),
  };
  showHints(repl, terminal, (line) => (evaluator.isBusy ? '' : hintFor(line, knownDocs(session))));
  await new Promise<void>((resolve) => repl.once('exit', resolve));
}

/** Removes node:repl's dot commands, such as `.load`, which are for JavaScript. */
function replaceDotCommands(repl: REPLServer, output: Output): void {
  for (const name of Object.keys(repl.commands)) {
    if (name !== 'exit') delete (repl.commands as Record<string, unknown>)[name];
  }
  repl.defineCommand('help', () => {
    output.line(GENERAL_HELP);
    repl.displayPrompt();
  });
}

function giveUpAtControlC(repl: REPLServer, evaluator: Evaluator, output: Output): void {
  // The default handler explains how to leave a JavaScript prompt.
  repl.removeAllListeners('SIGINT');
  repl.on('SIGINT', () => {
    if (evaluator.giveUp()) return;
    output.line('');
    // Like Ctrl-U in readline.
    repl.write(null, { ctrl: true, name: 'e' });
    repl.write(null, { ctrl: true, name: 'u' });
    repl.displayPrompt();
  });
}

type EvalCallback = (error: null, result: undefined) => void;
type CompleterCallback = (error: null, result: [string[], string]) => void;

async function greet(session: CliSession, output: Output): Promise<void> {
  try {
    await session.connect();
    const hint = await session.defaultKeyspaceHint();
    if (hint !== undefined) output.line(hint);
    // For the hints. Nobody has to wait for it.
    void commandDocs(session);
  } catch (thrown) {
    const lost = thrown instanceof SteleError && thrown.code === 'UNAVAILABLE';
    if (!lost) throw thrown;
    output.line(sentenceOf(thrown));
  }
}

/** The `eval` of node:repl: a queue that runs one line at a time. */
class Evaluator {
  readonly #context: LineContext;
  readonly #output: Output;
  readonly #repl: () => REPLServer;
  #queue = Promise.resolve();
  #isBusy = false;

  constructor(context: LineContext, output: Output, repl: () => REPLServer) {
    this.#context = context;
    this.#output = output;
    this.#repl = repl;
  }

  /** Whether a line is being carried out. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  evaluate(line: string, done: EvalCallback): void {
    this.#queue = this.#queue.then(async () => {
      this.#isBusy = true;
      const after = await runLine(this.#context, line.replace(/\n$/, ''));
      this.#isBusy = false;
      const repl = this.#repl();
      if (after === 'clear') this.#output.write(CLEAR_SCREEN);
      else if (after === 'quit') {
        repl.close();
        return;
      }
      repl.setPrompt(this.#context.session.prompt);
      done(null, undefined);
    });
  }

  /** Cancels the command in flight; returns false if there is none. */
  giveUp(): boolean {
    if (!this.#isBusy) return false;
    this.#context.session.cancel();
    return true;
  }
}

/**
 * Completes a line. Asks the server only if there is something to complete; without an answer,
 * offers the REPL's own words.
 */
async function complete(context: LineContext, line: string): Promise<[string[], string]> {
  const { session, recent } = context;
  const keyspaces = /^\s*(?:use|select)\s/i.test(line) ? await session.keyspaceNames() : [];
  const keys = (begun: string): string[] => recent.startingWith(begun);
  return completeLine(line, { keyspaces, keys, docs: await commandDocs(session) });
}

function keepHistory(repl: REPLServer, output: Output): void {
  const path = join(homedir(), HISTORY_FILE);
  const readline = repl as unknown as { history: string[] };
  let isKeeping = true;
  /** Without a history file the session continues; the reason is reported once. */
  const attempt = (action: () => void): void => {
    if (!isKeeping) return;
    try {
      action();
    } catch (thrown) {
      isKeeping = false;
      output.errorLine(`stele: The history is not kept: ${sentenceOf(toSteleError(thrown))}`);
    }
  };
  attempt(() => {
    readline.history = loadHistory(path);
  });
  repl.on('history', (lines: string[]) => {
    const [line = ''] = lines;
    if (isKept(line)) attempt(() => appendHistory(path, line));
    else lines.shift();
  });
}
