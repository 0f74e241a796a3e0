// A command as one would type it: for telling how to go on.

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** `stele` with `words`, quoted for a POSIX shell where they need it. */
export function commandText(words: readonly string[]): string {
  return ['stele', ...words.map(quoted)].join(' ');
}

function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
