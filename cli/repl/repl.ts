// The interactive `stele cli`: node:repl gives line editing, Ctrl-R and a history file (mode 0600);
// evaluating, completing and printing are ours.
//
// Lines are carried out one after the other, in the order they were typed or pasted.

import { homedir } from 'node:os';
import { join } from 'node:path';
import { start } from 'node:repl';
import type { REPLServer } from 'node:repl';
import { SteleError } from '../../base/errors.ts';
import { sentenceOf } from '../exit.ts';
import type { Output } from '../output.ts';
import { runLine } from './commands.ts';
import { completeLine } from './complete.ts';
import { commandNamesIn } from './reply-texts.ts';
import type { CliSession } from './session.ts';

const HISTORY_FILE = '.stele_history';
const CLEAR_SCREEN = '\u001B[H\u001B[2J\u001B[3J';
/** A secret typed into AUTH or HELLO is not for the history file. */
const SECRET_LINE = /^\s*(?:auth\b|hello\b.*\bauth\b)/i;

/** Runs until the user leaves. A server that is not there yet is no reason not to start. */
export async function runRepl(session: CliSession, output: Output): Promise<void> {
  await greet(session, output);
  const repl = start({
    prompt: session.prompt,
    ignoreUndefined: true,
    preview: false,
    useColors: false,
    writer: String,
    eval: evaluator(session, output, () => repl),
    completer: (line: string, done: CompleterCallback) => {
      complete(session, line).then(
        (result) => done(null, result),
        () => done(null, [[], line]),
      );
    },
  });
  for (const name of Object.keys(repl.commands)) {
    // `.load` and the like are for JavaScript.
    if (name !== 'exit') delete (repl.commands as Record<string, unknown>)[name];
  }
  await keepHistory(repl, output);
  await new Promise<void>((resolve) => repl.once('exit', resolve));
}

type EvalCallback = (error: null, result: undefined) => void;
type CompleterCallback = (error: null, result: [string[], string]) => void;

async function greet(session: CliSession, output: Output): Promise<void> {
  try {
    await session.connect();
    const hint = await session.defaultKeyspaceHint();
    if (hint !== undefined) output.line(hint);
  } catch (thrown) {
    const lost = thrown instanceof SteleError && thrown.code === 'UNAVAILABLE';
    if (!lost) throw thrown;
    output.line(sentenceOf(thrown));
  }
}

/** The `eval` of node:repl: a queue of one line at a time. */
function evaluator(session: CliSession, output: Output, repl: () => REPLServer) {
  let queue = Promise.resolve();
  return (line: string, _context: unknown, _file: string, done: EvalCallback): void => {
    queue = queue.then(async () => {
      const result = await runLine(session, line.replace(/\n$/, ''));
      if (result.action === 'print') printResult(output, result.text, result.latencyMs);
      else if (result.action === 'clear') output.write(CLEAR_SCREEN);
      else if (result.action === 'quit') {
        repl().close();
        return;
      }
      repl().setPrompt(session.prompt);
      done(null, undefined);
    });
  };
}

function printResult(output: Output, text: string, latencyMs: number | undefined): void {
  output.line(text);
  if (latencyMs !== undefined) output.line(output.paint('dim', `(${latencyMs.toFixed(2)} ms)`));
}

/** Asks the server only once there is something to complete with; failing that, offers our words. */
async function complete(session: CliSession, line: string): Promise<[string[], string]> {
  const keyspaces = /^\s*(?:use|select)\s/i.test(line) ? await session.keyspaceNames() : [];
  return completeLine(line, { keyspaces, commands: await commandNames(session) });
}

const commandsBySession = new WeakMap<CliSession, readonly string[]>();

async function commandNames(session: CliSession): Promise<readonly string[]> {
  const known = commandsBySession.get(session);
  if (known !== undefined) return known;
  try {
    const names = commandNamesIn(await session.execute(['COMMAND', 'LIST']));
    commandsBySession.set(session, names);
    return names;
  } catch {
    // Not connected: completion must not print errors into the line being typed.
    return [];
  }
}

function keepHistory(repl: REPLServer, output: Output): Promise<void> {
  repl.on('history', (lines: string[]) => {
    if (SECRET_LINE.test(lines[0] ?? '')) lines.shift();
  });
  return new Promise((resolve) => {
    repl.setupHistory(join(homedir(), HISTORY_FILE), (error) => {
      if (error !== null) output.errorLine(`stele: No history: ${sentenceOf(error)}`);
      resolve();
    });
  });
}
