// PATHs -> the list of inputs, in a fixed order.
//
//     file      itself, whatever its ending (then --format must name its format)
//     pipe      a named pipe, /dev/fd/63 of `<(...)`, /dev/stdin: read once, like standard input
//     folder    its files of a known ending, by name, without subfolders; with --format, also those
//               without any ending (part-00000)
//     glob      not expanded by the shell: * ? [...] {...} in any part of the path, ** for any folders
//     -         standard input
//     URL       https://, http://, s3:// (remote/); a pattern or a folder in s3://
//
// In folders and globs, files that data lake tools write beside the data are skipped: hidden files,
// names that begin with `_` (_SUCCESS, _metadata), .crc files. Every skipped file is reported.
// Whatever cannot be read is an error, because a load of some of the files looks like one of all.
//
// Each path's files are sorted by name; the paths keep the order they were given in. A file that is
// reached twice is loaded once.

import { closeSync, openSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { StoreSettings } from '../../archive/open-store.ts';
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
import { isGlob } from '../remote/pattern.ts';
import { isRemote } from '../remote/remote-file.ts';
import type { RemoteFile } from '../remote/remote-file.ts';
import { checkCount, expandGlob } from './glob.ts';
import { STDIN_PATH, nameOf } from './inputs.ts';
import { isUtf16 } from './text.ts';
import type { FoundInput } from './inputs.ts';

const NAMES_LISTED_MAX = 5;
/** Not named in messages. */
const RARE_ENDINGS: ReadonlySet<string> = new Set(['ndjson', 'parq', 'pq']);
/** The folder of a cluster on this machine, and of loads. */
const OWN_FOLDER = '.stele';

/** Flags that say where files are searched. */
type SearchFlags = StoreSettings & { readonly hiveColumns?: boolean };

/** Takes a sentence without its full stop, for people. */
export type Notice = (sentence: string) => void;

/**
 * Examines every path and the first bytes of every file. `format` is that of the flag; with
 * `hiveColumns`, folders are searched with all folders in them. Throws INPUT_NOT_FOUND,
 * INPUT_INVALID, UNSUPPORTED or IO, and names the faulty path.
 */
export async function findInputs(
  paths: readonly string[],
  format: LoadFormat | 'auto',
  notice: Notice,
  { hiveColumns: isDeep = false, ...store }: SearchFlags = {},
): Promise<FoundInput[]> {
  if (paths.length === 0) {
    throw new SteleError('INVALID_ARGUMENT', 'Name at least one file, folder, glob or URL, or - .');
  }
  const found = new Map<string, FoundInput>();
  const tickEnd = tickLimiter();
  for (const path of paths) {
    if (isRemote(path)) {
      for (const input of await remoteInputs(path, format, notice, isDeep, store)) {
        if (found.has(input.path)) throw sameUrl(input.path);
        found.set(input.path, input);
      }
      continue;
    }
    const named = namedFiles(path, format, notice, isDeep);
    const files = named ?? (await filesOfGlob(path, notice));
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
  isDeep: boolean,
): string[] | undefined {
  if (path === STDIN_PATH) return [STDIN_PATH];
  const stats = statOrThrow(path);
  if (stats?.isDirectory() === true) return filesOfFolder(path, format, notice, isDeep);
  if (stats !== undefined) return [resolve(path)];
  if (isGlob(path)) return undefined;
  throw notFound(path);
}

/** Whether Spark, Hive, Hadoop or the like wrote the file beside the data. */
function isMarker(name: string): boolean {
  return name.startsWith('.') || name.startsWith('_') || name.endsWith('.crc');
}

function filesOfFolder(
  folder: string,
  format: LoadFormat | 'auto',
  notice: Notice,
  isDeep: boolean,
): string[] {
  const files = isDeep ? filesBelow(folder, format, notice) : filesIn(folder, format, notice);
  checkCount(files.length, folder);
  if (files.length > 0) return files;
  const endings = LOAD_FORMATS.flatMap((name) => FORMAT_NAMES[name].endings)
    .filter((ending) => !RARE_ENDINGS.has(ending))
    .map((ending) => `.${ending}`);
  const hasFolders = !isDeep && entriesOf(folder).some((entry) => isDataFolder(folder, entry));
  const inside = hasFolders ? " Folders in it are not read: name them, or use '**/*.csv'." : '';
  throw new SteleError(
    'INPUT_NOT_FOUND',
    `The folder '${shorten(folder, 200)}' has no ${listedFormats(endings)} file in it.${inside}`,
  );
}

function isDataFolder(folder: string, entry: Dirent): boolean {
  const { name } = entry;
  if (isMarker(name) || name === OWN_FOLDER) return false;
  // A link or a folder; entries that are certainly files need not be readable.
  return !entry.isFile() && entryKind(folder, entry) === 'folder';
}

/** The files of a folder and of all folders in it; links to folders are not followed. */
function filesBelow(folder: string, format: LoadFormat | 'auto', notice: Notice): string[] {
  const files = filesIn(folder, format, () => undefined);
  for (const entry of entriesOf(folder)) {
    if (!isDataFolder(folder, entry)) continue;
    if (entry.isSymbolicLink()) notice(`the link '${entry.name}' to a folder is not followed`);
    else for (const file of filesBelow(join(folder, entry.name), format, notice)) files.push(file);
  }
  return files;
}

/** The files directly in a folder. */
function filesIn(folder: string, format: LoadFormat | 'auto', notice: Notice): string[] {
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
  if (files.length === 0) return files;
  const where = `'${shorten(folder, 200)}'`;
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

async function remoteInputs(
  path: string,
  format: LoadFormat | 'auto',
  notice: Notice,
  isDeep: boolean,
  store: StoreSettings,
): Promise<FoundInput[]> {
  // Each loaded only if it is used.
  const isHttp = /^http/i.test(path);
  const isWanted = (name: string): boolean =>
    !isMarker(name) && (formatOf(name) !== undefined || isOfFormat(name, format));
  const files = isHttp
    ? [await (await import('../remote/http-file.ts')).openHttpFile(path)]
    : await (await import('../remote/store-file.ts')).storeFiles(path, isWanted, isDeep, store);
  const inputs: FoundInput[] = [];
  for (const remote of files) inputs.push(await remoteInput(remote, notice));
  return inputs;
}

async function remoteInput(remote: RemoteFile, notice: Notice): Promise<FoundInput> {
  const { identity, modifiedMs, sizeBytes, url } = remote;
  const stream = { path: url, remote, isStream: true, compression: 'none' } as const;
  if (identity === '') {
    notice(
      `${nameOf({ path: url })} is read as a stream: its server knows neither ranges nor versions`,
    );
    return { ...stream, sizeBytes: 0, modifiedMs: 0 };
  }
  const head = Buffer.alloc(Math.min(MAGIC_BYTES, sizeBytes));
  await remote.read(head, 0, new AbortController().signal);
  return {
    path: url,
    remote,
    isStream: false,
    ...kindOf(url, head, notice),
    sizeBytes,
    modifiedMs,
  };
}

/** Names the URL without its query, which may be secret. */
function sameUrl(url: string): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(url, 200)}' is named twice (what follows ? does not count); load the files one after the other.`,
  );
}

/** What the first bytes of a file say. */
function kindOf(
  path: string,
  head: Buffer,
  notice: Notice,
): Pick<FoundInput, 'compression' | 'isUtf16' | 'byContent'> {
  const compression = compressionOfBytes(head);
  if (compression === 'none') refuseForeign(head, nameOf({ path }));
  const sentence = nameNotice(path, compressionOf(path), compression, head.length === 0);
  if (sentence !== undefined) notice(sentence);
  const byContent = compression === 'none' ? formatOfBytes(head) : undefined;
  return { compression, isUtf16: isUtf16(head), ...(byContent && { byContent }) };
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
  const { mtimeMs, size } = stats;
  const kind = kindOf(path, firstBytes(path), notice);
  return { path, isStream: false, ...kind, sizeBytes: size, modifiedMs: mtimeMs };
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
