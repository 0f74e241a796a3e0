// The nearest name to a mistyped one: a verb, a flag, an action, a command, a keyspace or a
// datanode. Commander would suggest `drop` for `tpo`, so its suggestions are filtered.

/** One letter in so many may be wrong. */
const LETTERS_PER_ERROR = 3;

/**
 * `sentence` with only those names in its `(Did you mean ...?)` that are close to the refused word.
 */
export function nearSuggestions(sentence: string): string {
  const word = /^unknown (?:command|option) '(?:--)?([^']*)'/.exec(sentence)?.[1];
  if (word === undefined) return sentence;
  return sentence.replace(/\s*\(Did you mean (?:one of )?([^?]*)\?\)/, (_all, list: string) => {
    const near = list.split(', ').filter((name) => isNear(word, name.replace(/^--/, '')));
    return question(near);
  });
}

/** The name that is closest to `word`, ignoring case; undefined if none is close. */
export function nearestTo(word: string, names: Iterable<string>): string | undefined {
  return nearestNames(word, names)[0];
}

/**
 * ` (Did you mean prices?)`, with those of `names` that are nearest to `word`; empty if none is
 * near.
 */
export function didYouMean(word: string, names: Iterable<string>): string {
  return question(nearestNames(word, names));
}

/** The names that are equally close to `word`, ignoring case, and closer than all others. */
function nearestNames(word: string, names: Iterable<string>): string[] {
  const wanted = word.toLowerCase();
  let best: string[] = [];
  let errors = Infinity;
  for (const name of names) {
    const found = errorsBetween(wanted, name.toLowerCase());
    if (found > errors || !isNear(wanted, name.toLowerCase())) continue;
    if (found < errors) [best, errors] = [[], found];
    best.push(name);
  }
  return best;
}

const NAMES_MAX = 5;

function question(near: readonly string[]): string {
  if (near.length === 0) return '';
  return ` (Did you mean ${near.length > 1 ? 'one of ' : ''}${near.slice(0, NAMES_MAX).join(', ')}?)`;
}

function isNear(word: string, name: string): boolean {
  return errorsBetween(word, name) * LETTERS_PER_ERROR <= Math.max(word.length, name.length);
}

/** The edit distance: letters missing, added, wrong, or transposed (optimal string alignment). */
function errorsBetween(left: string, right: string): number {
  let before: number[] = [];
  let row = Array.from({ length: right.length + 1 }, (_unused, at) => at);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const isSame = left[i - 1] === right[j - 1];
      const isSwapped =
        i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (isSame ? 0 : 1),
        isSwapped ? (before[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    [before, row] = [row, next];
  }
  return row[right.length] ?? 0;
}
