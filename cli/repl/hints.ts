// The rest of a command's syntax, shown dimmed after the line that is being typed, as in redis-cli.
//
//   127.0.0.1:7379[geo]> GETRANGE city start end
//                        typed       hint

import type { REPLServer } from 'node:repl';
import { docsOf } from './command-docs.ts';
import type { CommandDocs } from './command-docs.ts';
import { splitArguments } from './split-arguments.ts';

/**
 * What may follow `line`: the arguments that are not typed yet, with a space before them where the
 * line has none at its end. Empty for unknown commands and while quotes are open.
 */
export function hintFor(line: string, docs: ReadonlyMap<string, CommandDocs>): string {
  const words = splitArguments(line)?.map(String) ?? [];
  const match = docsOf(docs, words);
  if (match === undefined) return '';
  const { found, nameWords } = match;
  const hasSpace = /\s$/.test(line);
  if (found.subcommands.length > 0 && found.arguments.length === 0) {
    return words.length === 1 ? spaced(hasSpace, ['subcommand']) : '';
  }
  const typed = words.length - nameWords;
  const rest = found.arguments.slice(typed).map(({ syntax }) => syntax);
  return spaced(hasSpace, rest);
}

function spaced(hasSpace: boolean, words: readonly string[]): string {
  if (words.length === 0) return '';
  return `${hasSpace ? '' : ' '}${words.join(' ')}`;
}

/** What of the terminal is needed to draw hints. */
export interface HintTerminal {
  readonly input: NodeJS.EventEmitter;
  readonly columns: () => number;
  write(text: string): void;
}

interface Key {
  readonly name?: string;
  readonly ctrl?: boolean;
}

const ERASE_TO_END = '\u001B[K';

/** Draws the hint after each key, and erases it before the next one. `hint` must not throw. */
export function showHints(
  repl: REPLServer,
  terminal: HintTerminal,
  hint: (line: string) => string,
): void {
  let isDrawn = false;
  // Ctrl-R draws its own line below, until a line is chosen.
  let isSearching = false;
  terminal.input.prependListener('keypress', () => {
    if (isDrawn) terminal.write(ERASE_TO_END);
    isDrawn = false;
  });
  terminal.input.on('keypress', (_text: unknown, key: Key = {}) => {
    const isSearchKey = key.ctrl === true && (key.name === 'r' || key.name === 's');
    if (isSearchKey) isSearching = true;
    else if (key.ctrl === true || ['return', 'enter', 'escape'].includes(key.name ?? '')) {
      isSearching = false;
    }
    if (isSearching || repl.line === '' || repl.cursor !== repl.line.length) return;
    const room = terminal.columns() - 1 - repl.getCursorPos().cols;
    const text = hint(repl.line).slice(0, Math.max(0, room));
    if (text === '') return;
    terminal.write(`\u001B[90m${text}\u001B[39m\u001B[${text.length}D`);
    isDrawn = true;
  });
}
