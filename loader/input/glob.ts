// A small glob matcher, for what the shell did not expand (a quoted pattern, a configuration file).
// The libraries that were looked at leave out what they cannot read; here that is an error.
//
//     *  any characters of one name    ?  one character    **  any folders
//     [a-z]  one of a set    [!a-z] or [^a-z]  one that is not in it
//
// Names that start with a dot match only a pattern that does. Links to folders are not followed by **.

import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { entriesOf, kindOf, statOrThrow } from './folder-entries.ts';
import type { EntryKind } from './folder-entries.ts';

const SPECIAL = /[*?[\]]/;
/** More files than anybody loads at once: a pattern such as `/**` that was not meant. */
const FILES_MAX = 1_000_000;

export function isGlob(path: string): boolean {
  return SPECIAL.test(path);
}

/** What a pattern leads to. */
export interface GlobMatches {
  readonly files: ReadonlySet<string>;
  /** What matches and is no file: folders, pipes; links to folders that ** does not follow. */
  readonly others: ReadonlySet<string>;
}

interface Walk extends GlobMatches {
  readonly pattern: string;
  readonly files: Set<string>;
  readonly others: Set<string>;
}

/**
 * All that matches. Throws INVALID_ARGUMENT for a pattern that cannot be, INPUT_INVALID beyond FILES_MAX,
 * and what folder-entries.ts throws for a folder on the way that cannot be read.
 */
export function expandGlob(pattern: string): GlobMatches {
  const parts = pattern.split('/').filter((part) => part !== '');
  const walk: Walk = { pattern, files: new Set(), others: new Set() };
  descend(walk, pattern.startsWith('/') ? '/' : '.', parts);
  return walk;
}

function descend(walk: Walk, folder: string, parts: readonly string[]): void {
  const [part, ...rest] = parts;
  if (part === undefined) return;
  if (part === '**') {
    descend(walk, folder, rest);
    for (const name of foldersIn(walk, folder)) descend(walk, join(folder, name), parts);
    return;
  }
  if (!isGlob(part)) {
    const path = join(folder, part);
    const stats = statOrThrow(path);
    if (stats?.isFile() === true) step(walk, path, 'file', rest);
    else if (stats !== undefined) step(walk, path, stats.isDirectory() ? 'folder' : 'other', rest);
    return;
  }
  const matcher = nameMatcher(part, walk.pattern);
  for (const entry of entriesOf(folder)) {
    if (!matcher.test(entry.name)) continue;
    step(walk, join(folder, entry.name), kindOf(folder, entry), rest);
  }
}

function step(walk: Walk, path: string, kind: EntryKind, rest: readonly string[]): void {
  if (rest.length > 0) {
    if (kind === 'folder') descend(walk, path, rest);
  } else if (kind === 'file') {
    walk.files.add(path);
    checkCount(walk.files.size, walk.pattern);
  } else walk.others.add(path);
}

/** Throws INPUT_INVALID where so many files are more than a load takes. */
export function checkCount(count: number, where: string): void {
  if (count <= FILES_MAX) return;
  throw new SteleError(
    'INPUT_INVALID',
    `'${shorten(where, 200)}' names more than ${FILES_MAX} files, the most that one load reads; name fewer, or put them together into larger ones.`,
  );
}

function foldersIn(walk: Walk, folder: string): string[] {
  const isVisible = ({ name }: Dirent): boolean => !name.startsWith('.');
  const folders = entriesOf(folder).filter(
    (entry) => isVisible(entry) && !entry.isFile() && kindOf(folder, entry) === 'folder',
  );
  for (const entry of folders) {
    if (entry.isSymbolicLink()) walk.others.add(join(folder, entry.name));
  }
  return folders.filter((entry) => !entry.isSymbolicLink()).map(({ name }) => name);
}

function nameMatcher(part: string, pattern: string): RegExp {
  let text = part.startsWith('.') ? '' : '(?![.])';
  const characters = Array.from(part);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    const setEnd = character === '[' ? endOfSet(characters, at) : -1;
    if (setEnd > 0) {
      text += setOf(characters.slice(at + 1, setEnd), pattern);
      at = setEnd;
    } else if (character === '*') text += '.*';
    else if (character === '?') text += '.';
    else text += escaped(character);
  }
  return new RegExp(`^${text}$`, 'su');
}

/** Where the `]` of a set is; -1 for a `[` that opens none. One right at its beginning is a member. */
function endOfSet(characters: readonly string[], start: number): number {
  const first = start + (isNegation(characters[start + 1]) ? 2 : 1);
  return characters.indexOf(']', first + 1);
}

function isNegation(character: string | undefined): boolean {
  return character === '!' || character === '^';
}

function setOf(inside: readonly string[], pattern: string): string {
  const isNegated = isNegation(inside[0]);
  const members = isNegated ? inside.slice(1) : inside;
  let text = '';
  for (let at = 0; at < members.length; at++) {
    const [from = '', dash, to] = members.slice(at, at + 3);
    if (from === '[' && (dash === ':' || dash === '.' || dash === '=')) {
      throw badPattern(pattern, `classes such as [${dash}alpha${dash}] are not known`);
    }
    text += escaped(from);
    if (dash !== '-' || to === undefined) continue;
    if ((from.codePointAt(0) ?? 0) > (to.codePointAt(0) ?? 0)) {
      throw badPattern(pattern, `${from}-${to} runs backwards`);
    }
    text += `-${escaped(to)}`;
    at += 2;
  }
  return `[${isNegated ? '^' : ''}${text}]`;
}

function escaped(character: string): string {
  return character.replace(/[\\^$.|+*?(){}[\]/-]/u, '\\$&');
}

function badPattern(pattern: string, why: string): SteleError {
  return new SteleError('INVALID_ARGUMENT', `The pattern '${shorten(pattern, 200)}': ${why}.`);
}
