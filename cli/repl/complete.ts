// Tab completion: commands and the REPL's own words at the start of a line, keyspaces after `use` and
// SELECT.
//
// Pure. Completions are in the case in which the word was begun.

/** Words that the REPL itself handles. */
const OWN_WORDS = ['use', 'help', 'clear', 'quit', 'exit'] as const;

export interface CompletionWords {
  /** In capitals. */
  readonly commands: readonly string[];
  readonly keyspaces: readonly string[];
}

/** The candidates for the word at the end of `line`, and that word, as readline expects them. */
export function completeLine(line: string, words: CompletionWords): [string[], string] {
  const [, first = '', space = '', rest = ''] = /^\s*(\S*)(\s*)(.*)$/.exec(line) ?? [];
  if (space === '') return [completeWord(first, words.commands, true), first];
  switch (first.toLowerCase()) {
    case 'use':
    case 'select':
      return [words.keyspaces.filter((name) => name.startsWith(rest)), rest];
    case 'help':
      return [completeWord(rest, words.commands, false), rest];
    default:
      return [[], rest];
  }
}

function completeWord(start: string, commands: readonly string[], own: boolean): string[] {
  const typedLower = start !== '' && start === start.toLowerCase();
  const candidates = [
    ...(own ? OWN_WORDS : []),
    ...commands.map((name) => (typedLower ? name.toLowerCase() : name)),
  ];
  const wanted = start.toLowerCase();
  return candidates
    .filter((name) => name.toLowerCase().startsWith(wanted))
    .map((name) => `${name} `);
}
