// Prepares the inputs before the first row is parsed: spools what cannot be read at any offset,
// detects formats and dialects, and computes an identity of the input without reading its content.

import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { FORMAT_NAMES } from '../format-names.ts';
import { Semaphore, forEachBounded, tickLimiter } from '../bytes/bounded.ts';
import { MAGIC_BYTES, formatFor, formatOfContent, isTextFile } from '../input/formats.ts';
import { folderColumnsOf } from '../input/folder-columns.ts';
import type { Notice } from '../input/find-inputs.ts';
import type { LoadFormat } from '../input/formats.ts';
import { dialectFlags, RowsBelow } from '../detect/opening.ts';
import type { DialectFlags, Opening, OpeningHints } from '../detect/opening.ts';
import { readRange } from '../bytes/file-window.ts';
import { formatNamed, loadFormat } from '../formats/formats.ts';
import { pieceParts } from '../formats/input-format.ts';
import type { FileToOpen } from '../formats/input-format.ts';
import { openInput } from '../formats/open.ts';
import { settleDialects } from '../detect/settle-dialects.ts';
import type { Head } from '../detect/settle-dialects.ts';
import { checkUnchanged, nameOf } from '../input/inputs.ts';
import type { FoundInput, InputFile, PreparedInput } from '../input/inputs.ts';
import type { OpenJob } from './load-job.ts';
import { unpackBytes } from '../plan/memory-plan.ts';
import { hashOf } from '../work/fingerprint.ts';
import { copyRemote, isReadInParts, needsSpool, spoolInput } from '../input/spool.ts';
import type { Spooled } from '../input/spool.ts';

/** Each file is unpacked by one thread; more at once would only wait for the disk. */
const SPOOLED_AT_ONCE = 4;
const MEMBERS_TOLD_MAX = 8;
/** Enough for the head of one file. */
export const HEAD_SPOOLED_BYTES = 2 * 1024 * 1024;

/** How much of an input must be there. */
export interface PrepareLimits {
  /** Most bytes of an input that are spooled. */
  readonly spoolBytesMax?: number;
  /** Whether an input is loaded; of others only the head is read. Default: all. */
  readonly isLoaded?: (input: FoundInput) => boolean;
}

/**
 * Reads the head of every input in `all`, and spools those that need it. Throws for an input that
 * no load can take.
 */
export async function prepareInputs(
  job: OpenJob,
  all: readonly FoundInput[],
  { isLoaded = () => true, spoolBytesMax = Infinity }: PrepareLimits = {},
): Promise<PreparedInput> {
  const bytesMaxOf = (input: FoundInput): number =>
    isLoaded(input) ? spoolBytesMax : Math.min(spoolBytesMax, HEAD_SPOOLED_BYTES);
  const { log, notice, settings } = job;
  const inFolders = settings.hiveColumns ? folderColumnsOf(all) : { inputs: all, names: [] };
  const { inputs: found, names: folderColumns } = inFolders;
  // Wrong flags are refused before anything is unpacked, which may take long.
  const flags = { ...dialectFlags(settings), folderColumns };
  const formats = found.map(({ byContent, path }) => formatFor(path, settings.format, byContent));
  const spooled = await spoolAll(job, found, bytesMaxOf);
  const tickEnd = tickLimiter();
  const read: ToRead[] = [];
  for (const [at, input] of found.entries()) {
    const isNamed = settings.format !== 'auto';
    const format = formats[at] as LoadFormat;
    read.push(...toRead(input, format, isNamed, spooled[at] as Spooled, notice));
    await tickEnd();
  }
  if (read.length === 0) throw new SteleError('INPUT_INVALID', 'The input is empty.');
  const below = new RowsBelow();
  const openings = await openAll(job, read, flags, below);
  const heads = settleDialects(openings, flags, below);
  const inputs = read.map(({ input, sizeBytes, spool }, at): InputFile => {
    const { droppedMembers, part, text } = openings[at] as Opening;
    const head = heads[at] as Head;
    const bytes = { readPath: spool.path, sizeBytes: part?.byteCount ?? sizeBytes };
    const contentCrc = part && { contentCrc: part.contentCrc };
    return { ...input, ...head, ...bytes, ...contentCrc, ...(text && { text }), droppedMembers };
  });
  await copyParts(job, read, inputs, isLoaded);
  const dialects = [...new Set(inputs.map(({ dialect }) => dialect))];
  log.info({ dialects, files: inputs.length }, 'dialect settled');
  warnOfOddities(openings, notice);
  return {
    inputs,
    identity: hashOf([
      found.map((input, at) => identityOf(input, spooled[at]?.identity ?? '')),
      dialects,
      ...inputs.flatMap((input) => input.contentCrc ?? []),
    ]),
    bytesTotal: inputs.reduce((sum, input) => sum + input.sizeBytes, 0),
    headBytes: inputs.reduce((sum, input) => sum + input.dataStart, 0),
  };
}

/** An input that is not empty. */
interface ToRead {
  readonly input: FoundInput;
  readonly format: LoadFormat;
  readonly spool: Spooled;
  readonly sizeBytes: number;
}

function toRead(
  input: FoundInput,
  expected: LoadFormat,
  isNamed: boolean,
  spool: Spooled,
  notice: Notice,
): ToRead[] {
  const sizeBytes = statSync(spool.path).size;
  if (sizeBytes > 0) {
    const head = readRange(spool.path, 0, Math.min(sizeBytes, MAGIC_BYTES));
    const found = formatOfContent(head, expected, isNamed, nameOf(input));
    if (found.notice !== undefined) notice(found.notice);
    return [{ input, format: found.format, spool, sizeBytes }];
  }
  notice(`${nameOf(input)} is empty`);
  return [];
}

async function openAll(
  job: OpenJob,
  read: readonly ToRead[],
  flags: DialectFlags,
  below: RowsBelow,
): Promise<Opening[]> {
  const tickEnd = tickLimiter();
  const openings: Opening[] = [];
  let delimiter: number | undefined;
  for (const { format, input, sizeBytes, spool } of read) {
    if (flags.folderColumns?.length) refuseWithoutColumns(format, nameOf(input));
    await loadFormat(format);
    const file = { readPath: spool.path, path: input.path, sizeBytes };
    const ranges = isReadInParts(input) ? formatNamed(format).openingRange?.(file) : undefined;
    if (ranges !== undefined) await copyRemote(input, copyContext(job), { ranges });
    const opening = openingOf(file, format, flags, {
      name: nameOf(input),
      isByEnding: job.settings.format === 'auto',
      isTxt: isTextFile(input.path),
      wasUtf16: spool.wasUtf16,
      delimiter,
      fileCount: read.length,
      below,
    });
    delimiter ??= opening.table?.delimiter;
    openings.push(opening);
    await tickEnd();
  }
  return openings;
}

function copyContext({ folder, progress, stop }: OpenJob): Parameters<typeof copyRemote>[1] {
  const onRead = (byteCount: number): void => {
    progress.bytesDone += byteCount;
  };
  return { folder: folder.spool, signal: stop.signal, onRead };
}

/** Copies what the rows need of remote files that are read in parts. */
async function copyParts(
  job: OpenJob,
  read: readonly ToRead[],
  inputs: readonly InputFile[],
  isLoaded: (input: FoundInput) => boolean,
): Promise<void> {
  const copy = async ([at, { input }]: [number, ToRead]): Promise<void> => {
    const file = inputs[at] as InputFile;
    if (!isReadInParts(input) || !isLoaded(input)) return;
    // As one piece: to cut it further, its pages must be there.
    for (const piece of formatNamed(file.dialect.format).cut(file, Infinity)) {
      await copyRemote(input, copyContext(job), { ranges: pieceParts(piece) });
    }
    await checkUnchanged([input]);
  };
  const isComplete = await forEachBounded(read.entries(), SPOOLED_AT_ONCE, job.stop, copy);
  if (!isComplete) throw new SteleError('CANCELLED', 'Stopped while reading the input.');
}

/** Notices for what is valid but may not be what was meant. */
function warnOfOddities(openings: readonly Opening[], notice: Notice): void {
  const dropped = new Set(openings.flatMap(({ droppedMembers }) => droppedMembers));
  if (dropped.size > 0) {
    const names = [...dropped].slice(0, MEMBERS_TOLD_MAX).map((name) => shorten(name, 40));
    const more = dropped.size > names.length ? ', ...' : '';
    notice(
      `where a line has a member value, its other members are not stored (${names.join(', ')}${more}); --value names another member`,
    );
  }
  const quoted = openings.find(({ format, table }) => format === 'tsv' && table?.hasQuotedCells);
  if (quoted === undefined) return;
  notice(
    `${quoted.name} has quotes around columns, which tsv keeps; --format csv --delimiter tab takes them for csv's`,
  );
}

/** Throws INVALID_ARGUMENT for a format that has no columns to add to. */
function refuseWithoutColumns(format: LoadFormat, name: string): void {
  if (FORMAT_NAMES[format].hasColumns) return;
  const text = `--hive-columns is for files with columns, and ${name} is ${format}; leave it out.`;
  throw new SteleError('INVALID_ARGUMENT', text);
}

/** Reads an opening; if there are several inputs, its errors name the input. */
function openingOf(
  file: FileToOpen,
  format: LoadFormat,
  flags: DialectFlags,
  hints: OpeningHints,
): Opening {
  try {
    return openInput(file, format, flags, hints);
  } catch (thrown) {
    const isNamed = thrown instanceof SteleError && thrown.message.includes(hints.name);
    if (hints.fileCount === 1 || isNamed || !(thrown instanceof SteleError)) throw thrown;
    throw new SteleError(thrown.code, `${hints.name}: ${thrown.message}`, { cause: thrown });
  }
}

async function spoolAll(
  { folder, hooks, progress, settings, stop }: OpenJob,
  found: readonly FoundInput[],
  bytesMaxOf: (input: FoundInput) => number,
): Promise<Spooled[]> {
  const spooled: Spooled[] = [];
  const onRead = (byteCount: number): void => {
    progress.bytesDone += byteCount;
  };
  const context = {
    folder: folder.spool,
    stdin: hooks.stdin ?? process.stdin,
    signal: stop.signal,
    onRead,
    windowMemory: new Semaphore(unpackBytes(settings.memoryMax)),
  };
  const packed = found.filter(needsSpool);
  if (packed.length > 0) progress.begin('unpack', sizesOf(packed));
  const isComplete = await forEachBounded(
    found.entries(),
    SPOOLED_AT_ONCE,
    stop,
    async ([at, input]) => {
      spooled[at] = await spoolInput(input, { ...context, spoolBytesMax: bytesMaxOf(input) });
    },
  );
  if (!isComplete) throw new SteleError('CANCELLED', 'Stopped while reading the input.');
  return spooled;
}

/** Bytes of all inputs; 0 (not known) if a stream is among them. */
function sizesOf(inputs: readonly FoundInput[]): number {
  if (inputs.some((input) => input.isStream)) return 0;
  return inputs.reduce((sum, input) => sum + input.sizeBytes, 0);
}

/**
 * Name, size and modification time: a rewritten file is another input. The folder does not count: a
 * file that was moved is the same input if its content is the same (fingerprint.ts).
 */
export function identityOf(input: FoundInput, contentHash: string): unknown {
  if (input.isStream) return ['-', contentHash];
  const { path, remote, sizeBytes } = input;
  const version = remote === undefined ? input.modifiedMs : remote.identity;
  const { folderValues } = input;
  return [basename(path), sizeBytes, version, ...(folderValues ?? [])];
}
