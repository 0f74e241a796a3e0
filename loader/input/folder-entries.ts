// The entries of a folder, or the reason why they cannot be known. Nothing is skipped silently: a
// folder that cannot be read, a dangling link and a name that is not UTF-8 are errors.

import { lstatSync, readdirSync, statSync } from 'node:fs';
import type { Dirent, Stats } from 'node:fs';
import { join } from 'node:path';
import { SteleError, systemErrorCode } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';

/** Node.js substitutes this for bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';

export type EntryKind = 'file' | 'folder' | 'other';

/** Entries of a folder by name. Throws INPUT_NOT_FOUND, IO. */
export function entriesOf(folder: string): Dirent[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (thrown) {
    throw cannotRead(folder, thrown);
  }
}

/**
 * The kind of an entry of `folder`; for a link, of its target. Throws INPUT_INVALID for a name that
 * is not UTF-8, INPUT_NOT_FOUND for a dangling link, IO.
 */
export function entryKind(folder: string, entry: Dirent): EntryKind {
  const path = join(folder, entry.name);
  if (entry.name.includes(REPLACEMENT)) refuseOtherBytes(path);
  if (!entry.isSymbolicLink()) return kindOfStats(entry);
  const stats = statOrThrow(path);
  if (stats !== undefined) return kindOfStats(stats);
  throw new SteleError(
    'INPUT_NOT_FOUND',
    `'${shorten(path, 200)}' is a link to a missing file; restore that, or remove the link.`,
  );
}

function kindOfStats(stats: Pick<Stats, 'isFile' | 'isDirectory'>): EntryKind {
  if (stats.isFile()) return 'file';
  return stats.isDirectory() ? 'folder' : 'other';
}

/** A replacement character may be a real part of a name; then the name leads to the file. */
function refuseOtherBytes(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  throw new SteleError(
    'INPUT_INVALID',
    `The name '${shorten(path, 200)}' is not UTF-8 (${REPLACEMENT} stands for the bytes that are not), so the file cannot be named; rename it.`,
  );
}

/** INPUT_NOT_FOUND for a path as the user wrote it. */
export function notFound(path: string, cause?: unknown): SteleError {
  const hint = path.includes(REPLACEMENT)
    ? ' Its name seems not to be UTF-8, and such files cannot be named; rename it.'
    : '';
  const text = `There is no file or folder '${shorten(path, 200)}'.${hint}`;
  return new SteleError('INPUT_NOT_FOUND', text, { cause });
}

/** Undefined if nothing is there. Throws INPUT_NOT_FOUND, IO. */
export function statOrThrow(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (thrown) {
    throw cannotRead(path, thrown);
  }
}

export function cannotRead(path: string, thrown: unknown): SteleError {
  const code = systemErrorCode(thrown) ?? '';
  if (code === 'ENOENT' || code === 'ENOTDIR') return notFound(path, thrown);
  const name = shorten(path, 200);
  const text =
    code === 'ELOOP'
      ? `'${name}' is a link that leads back to itself, perhaps through other links; remove it.`
      : `'${name}' cannot be read (${code || String(thrown)}); check its permissions.`;
  return new SteleError('IO', text, { cause: thrown, retryable: false });
}
