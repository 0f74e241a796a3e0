// PATHs -> the list of files to load, in a fixed order.
//
//     file      itself, whatever its ending (then --format must say what it is)
//     folder    its files of a known ending, by name, not the folders in it, not hidden ones
//     glob      what the shell did not expand: * ? [...] in any part of the path, ** for any folders
//     -         standard input, spooled (spool.ts)
//
// Each path's files are sorted by name; the paths keep the order they were given in. A file that is
// reached twice is loaded once.

import { readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { SteleError, systemErrorCode } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import type { Dialect } from './dialect.ts';
import { compressionOf, formatOf } from './formats.ts';
import type { Compression } from './formats.ts';
import { expandGlob, isGlob } from './glob.ts';

export const STDIN_PATH = '-';

/** A file as it was found; nothing has been read yet. */
export interface FoundInput {
  /** Absolute, or `-`. */
  readonly path: string;
  readonly compression: Compression;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** A file that is ready to be cut into chunks. */
export interface InputFile extends FoundInput {
  /** What is read: the path itself, or the spooled copy of a compressed one. */
  readonly readPath: string;
  /** Of `readPath`. */
  readonly sizeBytes: number;
  /** Of its own format; inputs of one format have the same columns. */
  readonly dialect: Dialect;
  /** Behind a byte order mark and the header. */
  readonly dataStart: number;
  /** Lines before that. */
  readonly dataStartLine: number;
}

/** Throws INPUT_NOT_FOUND or INPUT_INVALID with the path that is wrong. */
export function findInputs(paths: readonly string[]): FoundInput[] {
  if (paths.length === 0) {
    throw new SteleError('INVALID_ARGUMENT', 'Name at least one file, folder or glob, or - .');
  }
  const found = new Map<string, FoundInput>();
  for (const path of paths) {
    for (const file of filesOf(path)) {
      if (!found.has(file)) found.set(file, foundInput(file));
    }
  }
  return [...found.values()];
}

function filesOf(path: string): string[] {
  if (path === STDIN_PATH) return [STDIN_PATH];
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    if (isGlob(path)) return filesOfGlob(path);
    throw new SteleError('INPUT_NOT_FOUND', `There is no file or folder '${shorten(path, 200)}'.`);
  }
  return stats.isDirectory() ? filesOfFolder(path) : [resolve(path)];
}

function filesOfFolder(folder: string): string[] {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => entry.name)
    .filter((name) => !name.startsWith('.') && formatOf(name) !== undefined)
    .sort()
    .map((name) => resolve(join(folder, name)))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true);
  if (files.length > 0) return files;
  throw new SteleError(
    'INPUT_NOT_FOUND',
    `The folder '${shorten(folder, 200)}' has no .data, .txt, .csv, .tsv or .jsonl file in it.`,
  );
}

function filesOfGlob(pattern: string): string[] {
  const files = expandGlob(pattern).sort();
  if (files.length > 0) return files.map((file) => resolve(file));
  throw new SteleError('INPUT_NOT_FOUND', `No file matches '${shorten(pattern, 200)}'.`);
}

function foundInput(path: string): FoundInput {
  if (path === STDIN_PATH) return { path, compression: 'none', sizeBytes: 0, modifiedMs: 0 };
  try {
    const stats = statSync(path);
    if (!stats.isFile()) {
      throw new SteleError('INPUT_INVALID', `'${shorten(path, 200)}' is not a regular file.`);
    }
    const sizeBytes = stats.size;
    return { path, compression: compressionOf(path), sizeBytes, modifiedMs: stats.mtimeMs };
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'ENOENT') throw thrown;
    throw new SteleError('INPUT_NOT_FOUND', `There is no file '${shorten(path, 200)}'.`, {
      cause: thrown,
    });
  }
}

/** Throws INPUT_CHANGED if one of the files is not what it was when the load began. */
export function checkUnchanged(inputs: readonly FoundInput[]): void {
  for (const input of inputs) {
    if (input.path === STDIN_PATH) continue;
    const stats = statSync(input.path, { throwIfNoEntry: false });
    if (stats?.size === input.sizeBytes && stats.mtimeMs === input.modifiedMs) continue;
    throw new SteleError(
      'INPUT_CHANGED',
      `'${shorten(input.path, 200)}' changed while it was being loaded, so nothing was committed; load it again when it is complete.`,
    );
  }
}

/** What a load is called in `stele versions`. */
export function describeInputs(inputs: readonly FoundInput[]): string {
  const first = inputs[0];
  if (first === undefined) return '';
  const name = first.path === STDIN_PATH ? 'standard input' : basename(first.path);
  return inputs.length === 1 ? name : `${name} and ${inputs.length - 1} more`;
}
