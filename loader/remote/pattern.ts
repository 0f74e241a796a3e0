// Patterns of names: which paths are patterns, and which names match.
//
//     *  any characters of one name     ?  one character      **  any folders
//     [a-z]  one of a set     [!a-z]  one that is not in it     {a,b}  either

import type { MinimatchOptions } from 'minimatch';

const SPECIAL = /[*?[\]]|\{.*(?:,|\.\.).*\}/s;

export const PATTERN_OPTIONS: MinimatchOptions = {
  platform: 'linux',
  nocomment: true,
  nonegate: true,
  // A parenthesis is an ordinary character: `data (1).csv`.
  noext: true,
  braceExpandMax: 10_000,
};

export function isGlob(path: string): boolean {
  return SPECIAL.test(path);
}

/** The part of a pattern before its first special character. */
export function plainStart(pattern: string): string {
  const at = pattern.search(/[*?[\]{]/);
  return at < 0 ? pattern : pattern.slice(0, at);
}

/** Tells whether a name matches. */
export async function matcherOf(pattern: string): Promise<(name: string) => boolean> {
  // Loaded on demand: few loads need it.
  const { Minimatch } = await import('minimatch');
  const matcher = new Minimatch(pattern, PATTERN_OPTIONS);
  return (name) => matcher.match(name);
}
