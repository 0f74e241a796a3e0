// Expands a file pattern that the shell did not: one in quotes, or in a configuration file.
//
// minimatch matches the names. The folders are read here, because libraries that walk them skip
// what they cannot read, and for a load that is an error: some of the files look like all of them.
// Names that start with a dot match only a pattern that does; ** does not follow links to folders.

import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import type { Minimatch } from 'minimatch';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { PATTERN_OPTIONS } from '../remote/pattern.ts';
import { entriesOf, entryKind, statOrThrow } from './folder-entries.ts';
import type { EntryKind } from './folder-entries.ts';

/** More files than any load needs: a mistaken pattern such as `/**`. */
const FILES_MAX = 1_000_000;

/** The matches of a pattern. */
export interface GlobMatches {
  readonly files: ReadonlySet<string>;
  /** Matches that are not files: folders, pipes; links to folders that ** does not follow. */
  readonly others: ReadonlySet<string>;
}

interface Walk extends GlobMatches {
  readonly pattern: string;
  readonly files: Set<string>;
  readonly others: Set<string>;
}

/**
 * All matches. Rejects with INPUT_INVALID beyond FILES_MAX files, and with the errors of
 * folder-entries.ts for a folder on the way that cannot be read.
 */
export async function expandGlob(pattern: string): Promise<GlobMatches> {
  // Loaded on demand: few loads need it.
  const { Minimatch } = await import('minimatch');
  const walk: Walk = { pattern, files: new Set(), others: new Set() };
  for (const parts of new Minimatch(pattern, PATTERN_OPTIONS).set) {
    const named = parts.filter((part) => part !== '');
    descend(walk, parts[0] === '' ? '/' : '.', named);
  }
  return walk;
}

/** A name, `**` (a symbol), or a matcher of names. */
type Part = Minimatch['set'][number][number];

function descend(walk: Walk, folder: string, parts: readonly Part[]): void {
  const [part, ...rest] = parts;
  if (part === undefined) return;
  if (typeof part === 'symbol') {
    descend(walk, folder, rest);
    for (const name of foldersIn(walk, folder)) descend(walk, join(folder, name), parts);
    return;
  }
  if (typeof part === 'string') {
    const path = join(folder, part);
    const stats = statOrThrow(path);
    if (stats?.isFile() === true) step(walk, path, 'file', rest);
    else if (stats !== undefined) step(walk, path, stats.isDirectory() ? 'folder' : 'other', rest);
    return;
  }
  for (const entry of entriesOf(folder)) {
    if (!part.test(entry.name)) continue;
    step(walk, join(folder, entry.name), entryKind(folder, entry), rest);
  }
}

function step(walk: Walk, path: string, kind: EntryKind, rest: readonly Part[]): void {
  if (rest.length > 0) {
    if (kind === 'folder') descend(walk, path, rest);
  } else if (kind === 'file') {
    walk.files.add(path);
    checkCount(walk.files.size, walk.pattern);
  } else walk.others.add(path);
}

/** Throws INPUT_INVALID if a load does not take so many files. */
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
    (entry) => isVisible(entry) && !entry.isFile() && entryKind(folder, entry) === 'folder',
  );
  for (const entry of folders) {
    if (entry.isSymbolicLink()) walk.others.add(join(folder, entry.name));
  }
  return folders.filter((entry) => !entry.isSymbolicLink()).map(({ name }) => name);
}
