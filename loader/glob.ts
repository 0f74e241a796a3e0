// A small glob matcher, for what the shell did not expand (a quoted pattern, a configuration file).
//
//     *  any characters of one name    ?  one character    [a-z]  one of a set    **  any folders
//
// Names that start with a dot match only a pattern that does. Links to folders are not followed by **.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const SPECIAL = /[*?[\]]/;
/** Bounds a pattern such as `/**` on a large disk. */
const FILES_MAX = 100_000;

export function isGlob(path: string): boolean {
  return SPECIAL.test(path);
}

/** The files that match, in no particular order. Folders that cannot be read hold nothing. */
export function expandGlob(pattern: string): string[] {
  const parts = pattern.split('/').filter((part) => part !== '');
  const found = new Set<string>();
  walk(pattern.startsWith('/') ? '/' : '.', parts, found);
  return [...found];
}

function walk(folder: string, parts: readonly string[], found: Set<string>): void {
  const [part, ...rest] = parts;
  if (part === undefined || found.size >= FILES_MAX) return;
  if (part === '**') {
    walk(folder, rest, found);
    for (const name of foldersIn(folder)) walk(join(folder, name), parts, found);
    return;
  }
  if (!isGlob(part)) {
    step(join(folder, part), rest, found);
    return;
  }
  const matcher = nameMatcher(part);
  for (const entry of entriesOf(folder)) {
    if (matcher.test(entry.name)) step(join(folder, entry.name), rest, found);
  }
}

function step(path: string, rest: readonly string[], found: Set<string>): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (rest.length > 0 && stats.isDirectory()) walk(path, rest, found);
  else if (rest.length === 0 && stats.isFile()) found.add(path);
}

function foldersIn(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name);
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // Not a folder, or not ours to read: it holds nothing that matches.
    return [];
  }
}

function nameMatcher(part: string): RegExp {
  let text = part.startsWith('.') ? '' : '(?![.])';
  for (let at = 0; at < part.length; at++) {
    const character = part.charAt(at);
    const setEnd = character === '[' ? part.indexOf(']', at + 2) : -1;
    if (setEnd > 0) {
      text += setOf(part.slice(at + 1, setEnd));
      at = setEnd;
    } else if (character === '*') text += '.*';
    else if (character === '?') text += '.';
    else text += character.replace(/[\\^$.|+(){}[\]]/, '\\$&');
  }
  return new RegExp(`^${text}$`, 's');
}

function setOf(inside: string): string {
  const isNegated = inside.startsWith('!') || inside.startsWith('^');
  const body = (isNegated ? inside.slice(1) : inside).replace(/[\\\]^]/g, '\\$&');
  return `[${isNegated ? '^' : ''}${body}]`;
}
