// PATHs -> the list of inputs, in a fixed order.
//
//     file      itself, whatever its ending (then --format must name its format)
//     pipe      a named pipe, /dev/fd/63 of `<(...)`, /dev/stdin: read once, like standard input
//     folder    its files of a known ending, by name, without subfolders; with --format, also those
//               without any ending (part-00000)
//     glob      not expanded by the shell: * ? [...] {...} in any part of the path, ** for any folders
//     -         standard input
//
// In folders and globs, files that data lake tools write beside the data are skipped: hidden files,
// names that begin with `_` (_SUCCESS, _metadata), .crc files. Every skipped file is reported.
// Whatever cannot be read is an error, because a load of some of the files looks like one of all.
//
// Each path's files are sorted by name; the paths keep the order they were given in. A file that is
// reached twice is loaded once.

import { closeSync, openSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { SteleError } from '../../base/errors.ts';
import { listNames, shorten } from '../../base/ids.ts';
import { FORMAT_NAMES, LOAD_FORMATS, formatOfBytes, listedFormats } from '../format-names.ts';
import { tickLimiter } from '../bytes/bounded.ts';
import {
  compressionOf,
  compressionOfBytes,
  formatOf,
  hasEnding,
  isJsonFile,
  MAGIC_BYTES,
  nameNotice,
  refuseForeign,
} from './formats.ts';
import { readFully } from '../bytes/file-window.ts';
import { cannotRead, entriesOf, entryKind, notFound, statOrThrow } from './folder-entries.ts';
import type { LoadFormat } from './formats.ts';
import { checkCount, expandGlob, isGlob } from './glob.ts';
import { STDIN_PATH, nameOf } from './inputs.ts';
import { isUtf16 } from './text.ts';
import type { FoundInput } from './inputs.ts';

const NAMES_LISTED_MAX = 5;
/** Not named in messages. */
const RARE_ENDINGS: ReadonlySet<string> = new Set(['ndjson', 'parq', 'pq']);
/** The folder of a cluster on this machine, and of loads. */
const OWN_FOLDER = '.stele';

/** Takes a sentence without its full stop, for people. */
export type Notice = (sentence: string) => void;

/**
 * Examines every path and the first bytes of every file. `format` is that of the flag. Throws
 * INPUT_NOT_FOUND, INPUT_INVALID, UNSUPPORTED or IO, and names the faulty path.
 */
export async function findInputs(
  paths: readonly string[],
  format: LoadFormat | 'auto',
  notice: Notice,
): Promise<FoundInput[]> {
  if (paths.length === 0) {
    throw new SteleError('INVALID_ARGUMENT', 'Name at least one file, folder or glob, or - .');
  }
  const found = new Map<string, FoundInput>();
  const tickEnd = tickLimiter();
  for (const path of paths) {
    const files = namedFiles(path, format, notice) ?? (await filesOfGlob(path, notice));
    for (const file of files) {
      if (!found.has(file)) found.set(file, foundInput(file, notice));
      await tickEnd();
    }
  }
  return [...found.values()];
}

/** The files that a path names by itself; undefined if it is a pattern. */
function namedFiles(
  path: string,
  format: LoadFormat | 'auto',
  notice: Notice,
): string[] | undefined {
  if (path === STDIN_PATH) return [STDIN_PATH];
  const stats = statOrThrow(path);
  if (stats?.isDirectory() === true) return filesOfFolder(path, format, notice);
  if (stats !== undefined) return [resolve(path)];
  if (isGlob(path)) return undefined;
  throw notFound(path);
}

/** Whether Spark, Hive, Hadoop or the like wrote the file beside the data. */
function isMarker(name: string): boolean {
  return name.startsWith('.') || name.startsWith('_') || name.endsWith('.crc');
}

function filesOfFolder(folder: string, format: LoadFormat | 'auto', notice: Notice): string[] {
  const files: string[] = [];
  const left: string[] = [];
  let folders = 0;
  for (const entry of entriesOf(folder)) {
    const { name } = entry;
    if (name === OWN_FOLDER) continue;
    const isNamedSo = formatOf(name) !== undefined || isOfFormat(name, format);
    const isWanted = isNamedSo && !isMarker(name);
    // A file that is excluded by its name need not be readable.
    const kind = isWanted || entry.isDirectory() ? entryKind(folder, entry) : 'other';
    if (kind === 'folder' && !isMarker(name)) folders++;
    else if (kind === 'file') files.push(resolve(join(folder, name)));
    else left.push(name);
  }
  checkCount(files.length, folder);
  const where = `'${shorten(folder, 200)}'`;
  if (files.length === 0) {
    const endings = LOAD_FORMATS.flatMap((name) => FORMAT_NAMES[name].endings)
      .filter((ending) => !RARE_ENDINGS.has(ending))
      .map((ending) => `.${ending}`);
    const inside =
      folders === 0 ? '' : ` Folders in it are not read: name them, or use '**/*.csv'.`;
    throw new SteleError(
      'INPUT_NOT_FOUND',
      `The folder ${where} has no ${listedFormats(endings)} file in it.${inside}`,
    );
  }
  if (left.length > 0) notice(`in ${where} not read: ${listed(left)}`);
  if (folders > 0)
    notice(`in ${where} not read: ${folders === 1 ? 'a folder' : `${folders} folders`}`);
  return files;
}

/** Whether a name without a known ending may be of the given format. */
function isOfFormat(name: string, format: LoadFormat | 'auto'): boolean {
  return format !== 'auto' && (!hasEnding(name) || (format === 'jsonl' && isJsonFile(name)));
}

async function filesOfGlob(pattern: string, notice: Notice): Promise<string[]> {
  const isWanted = (name: string): boolean => !isMarker(name) || isMarker(basename(pattern));
  const matches = await expandGlob(pattern);
  const all = [...matches.files].sort();
  const files = all.filter((file) => isWanted(basename(file)));
  const left = all.filter((file) => !isWanted(basename(file)));
  if (files.length === 0) {
    throw new SteleError('INPUT_NOT_FOUND', `No file matches '${shorten(pattern, 200)}'.`);
  }
  left.push(...matches.others);
  if (left.length > 0) notice(`of '${shorten(pattern, 200)}' not read: ${listed(left.sort())}`);
  return files.map((file) => resolve(file));
}

function listed(names: readonly string[]): string {
  return listNames(
    names.map((name) => shorten(name, 80)),
    NAMES_LISTED_MAX,
  );
}

function foundInput(path: string, notice: Notice): FoundInput {
  const stream = { isStream: true, compression: 'none', sizeBytes: 0, modifiedMs: 0 } as const;
  if (path === STDIN_PATH) return { path, ...stream };
  const stats = statOrThrow(path);
  if (stats?.isFIFO() === true || stats?.isCharacterDevice() === true) return { path, ...stream };
  if (stats?.isFile() !== true) {
    throw new SteleError('INPUT_INVALID', `${nameOf({ path })} is neither a file nor a pipe.`);
  }
  const head = firstBytes(path);
  const compression = compressionOfBytes(head);
  if (compression === 'none') refuseForeign(head, nameOf({ path }));
  const sentence = nameNotice(path, compressionOf(path), compression, stats.size === 0);
  if (sentence !== undefined) notice(sentence);
  const { mtimeMs, size } = stats;
  const byContent = compression === 'none' ? formatOfBytes(head) : undefined;
  return {
    path,
    isStream: false,
    compression,
    isUtf16: isUtf16(head),
    ...(byContent === undefined ? {} : { byContent }),
    sizeBytes: size,
    modifiedMs: mtimeMs,
  };
}

function firstBytes(path: string): Buffer {
  try {
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(MAGIC_BYTES);
      return bytes.subarray(0, readFully(file, bytes, MAGIC_BYTES, 0));
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw cannotRead(path, thrown);
  }
}
