// Tab completion: commands and the REPL's own words at the start of a line, keyspaces after `use`
// and SELECT, subcommands after their command, and keys of earlier commands where a key belongs.
//
// Pure. Completions are in the case in which the word was begun.

import { argumentAt, docsOf } from './command-docs.ts';
import type { CommandDocs } from './command-docs.ts';

/** Words that the REPL itself handles. */
const OWN_WORDS = ['use', 'pretty', 'hex', 'help', 'clear', 'quit', 'exit'] as const;
/** Those of them that are followed by a command. */
const BEFORE_COMMANDS = /^\s*(?:pretty|hex|\d+)\s+/i;

export interface CompletionWords {
  readonly docs: ReadonlyMap<string, CommandDocs>;
  readonly keyspaces: readonly string[];
  /** The keys that begin with a text, the best first. */
  readonly keys: (start: string) => readonly string[];
}

/** The candidates for the word at the end of `line`, and that word, as readline expects them. */
export function completeLine(line: string, words: CompletionWords): [string[], string] {
  const prefix = BEFORE_COMMANDS.exec(line);
  if (prefix !== null) return completeLine(line.slice(prefix[0].length), words);
  const [, first = '', space = '', rest = ''] = /^\s*(\S*)(\s*)(.*)$/.exec(line) ?? [];
  const commands = [...words.docs.keys()];
  if (space === '') return [completeWord(first, [...OWN_WORDS, ...commands]), first];
  switch (first.toLowerCase()) {
    case 'use':
    case 'select':
      return [words.keyspaces.filter((name) => name.startsWith(rest)), rest];
    case 'help':
      return [completeWord(rest, [...commands, ...groupsOf(words.docs)]), rest];
    default:
      return completeArgument(line, words);
  }
}

function completeArgument(line: string, words: CompletionWords): [string[], string] {
  const typed = line.trimStart().split(/\s+/);
  const last = typed.pop() ?? '';
  const command = words.docs.get((typed[0] ?? '').toUpperCase());
  if (typed.length === 1 && command !== undefined && command.subcommands.length > 0) {
    const names = command.subcommands.map(({ name }) => name.slice(command.name.length + 1));
    return [completeWord(last, names), last];
  }
  const match = docsOf(words.docs, typed);
  if (match === undefined) return [[], last];
  const argument = argumentAt(match.found, typed.length - match.nameWords);
  return [argument?.isKey === true ? [...words.keys(last)] : [], last];
}

function groupsOf(docs: ReadonlyMap<string, CommandDocs>): string[] {
  return [...new Set(Array.from(docs.values(), ({ group }) => `@${group}`))].sort();
}

function completeWord(start: string, names: readonly string[]): string[] {
  const typedLower = start !== '' && start === start.toLowerCase();
  const wanted = start.toLowerCase();
  return names
    .filter((name) => name.toLowerCase().startsWith(wanted))
    .map((name) => `${typedLower ? name.toLowerCase() : name} `);
}
