// Everything that is settled before the first row is parsed: format, spooled files, dialect, and what
// the input is known by without its content being read.

import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import { Budget, forEachBounded, turnKeeper } from '../bytes/bounded.ts';
import { compressionOfBytes, refuseForeign } from '../input/compression.ts';
import type { Dialect } from '../input/dialect.ts';
import type { Notice } from '../input/find-inputs.ts';
import { formatFor, isTextFile } from '../input/formats.ts';
import type { LoadFormat } from '../input/formats.ts';
import { RowsBelow, dialectFlags, readOpening } from '../parse/opening.ts';
import type { DialectFlags, Opening, OpeningHints } from '../parse/opening.ts';
import { readHead } from '../parse/read-head.ts';
import type { HeadRules } from '../parse/read-head.ts';
import { settleDialects } from '../parse/settle-dialects.ts';
import type { Head } from '../parse/settle-dialects.ts';
import { nameOf } from '../input/inputs.ts';
import type { FoundInput, InputFile, PreparedInput } from '../input/inputs.ts';
import type { ProgressCounter } from './load-progress.ts';
import { unpackBytes } from '../plan/memory-plan.ts';
import type { LoadSettings } from '../settings.ts';
import { needsSpool, spoolInput } from '../input/spool.ts';
import type { Spooled } from '../input/spool.ts';

export interface PrepareContext {
  readonly spoolFolder: string;
  readonly stdin: Readable;
  readonly progress: ProgressCounter;
  readonly log: Logger;
  readonly notice: Notice;
  readonly stop: AbortController;
  /** Of what is spooled, where the beginning is enough; default: all. */
  readonly spoolBytesMax?: number;
}

/** Unpacking is one thread's work a file; more at once would only wait for the disk. */
const SPOOLED_AT_ONCE = 4;
const MEMBERS_TOLD_MAX = 8;

/** Reads the head of every input, and all of those that must be spooled. */
export async function prepareInputs(
  found: readonly FoundInput[],
  settings: LoadSettings,
  context: PrepareContext,
): Promise<PreparedInput> {
  // Before anything is unpacked, which may take long.
  const flags = dialectFlags(settings);
  const formats = found.map((input) => formatFor(input.path, settings.format));
  const spooled = await spoolAll(found, settings.memoryMax, context);
  const turnEnd = turnKeeper();
  const read: ToRead[] = [];
  for (const [at, input] of found.entries()) {
    read.push(...toRead(input, formats[at] as LoadFormat, spooled[at] as Spooled, context.notice));
    await turnEnd();
  }
  if (read.length === 0) throw new SteleError('INPUT_INVALID', 'The input is empty.');
  const below = new RowsBelow();
  const openings = await openAll(read, settings, flags, below);
  const heads = settleDialects(openings, flags, below);
  const inputs = read.map(({ input, sizeBytes, spool }, at): InputFile => {
    const { droppedMembers, text } = openings[at] as Opening;
    const head = heads[at] as Head;
    return { ...input, ...head, sizeBytes, readPath: spool.path, text, droppedMembers };
  });
  const dialects = [...new Set(inputs.map(({ dialect }) => dialect))];
  context.log.info({ dialects, files: inputs.length }, 'dialect settled');
  tellOddities(openings, context.notice);
  return {
    inputs,
    identity: hashOf(
      found.map((input, at) => identityOf(input, spooled[at]?.identity ?? '')),
      dialects,
    ),
    bytesTotal: inputs.reduce((sum, input) => sum + input.sizeBytes, 0),
    headBytes: inputs.reduce((sum, input) => sum + input.dataStart, 0),
  };
}

/** An input that has something in it. */
interface ToRead {
  readonly input: FoundInput;
  readonly format: LoadFormat;
  readonly spool: Spooled;
  readonly sizeBytes: number;
}

function toRead(input: FoundInput, format: LoadFormat, spool: Spooled, notice: Notice): ToRead[] {
  const sizeBytes = statSync(spool.path).size;
  if (sizeBytes > 0) return [{ input, format, spool, sizeBytes }];
  notice(`${nameOf(input)} is empty`);
  return [];
}

async function openAll(
  read: readonly ToRead[],
  settings: LoadSettings,
  flags: DialectFlags,
  below: RowsBelow,
): Promise<Opening[]> {
  const turnEnd = turnKeeper();
  const openings: Opening[] = [];
  let delimiter: number | undefined;
  for (const { format, input, spool } of read) {
    const head = readHead(spool.path, input.path, format, headRules(flags));
    refusePacked(input, head);
    const opening = openingOf(input, head, format, flags, {
      name: nameOf(input),
      isByEnding: settings.format === 'auto',
      isTxt: isTextFile(input.path),
      wasUtf16: spool.wasUtf16,
      delimiter,
      fileCount: read.length,
      below,
    });
    delimiter ??= opening.table?.delimiter;
    openings.push(opening);
    await turnEnd();
  }
  return openings;
}

function headRules({ delimiter, rules }: DialectFlags): HeadRules {
  return delimiter === undefined ? rules : { ...rules, delimiter };
}

/** What is right, and may still not be what was meant. */
function tellOddities(openings: readonly Opening[], notice: Notice): void {
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

/** Where there are several inputs, an error says which one it is about. */
function openingOf(
  input: FoundInput,
  head: Buffer,
  format: LoadFormat,
  flags: DialectFlags,
  hints: OpeningHints,
): Opening {
  try {
    return readOpening(head, format, flags, hints);
  } catch (thrown) {
    const isNamed = thrown instanceof SteleError && thrown.message.includes(nameOf(input));
    if (hints.fileCount === 1 || isNamed || !(thrown instanceof SteleError)) throw thrown;
    throw new SteleError(thrown.code, `${nameOf(input)}: ${thrown.message}`, { cause: thrown });
  }
}

async function spoolAll(
  found: readonly FoundInput[],
  memoryMax: number,
  { progress, spoolBytesMax = Infinity, spoolFolder, stdin, stop }: PrepareContext,
): Promise<Spooled[]> {
  const spooled: Spooled[] = [];
  const onRead = (byteCount: number): void => {
    progress.bytesDone += byteCount;
  };
  const { signal } = stop;
  const room = new Budget(unpackBytes(memoryMax));
  const context = { folder: spoolFolder, stdin, signal, spoolBytesMax, onRead, room };
  const packed = found.filter(needsSpool);
  if (packed.length > 0) progress.begin('unpack', sizesOf(packed));
  const isComplete = await forEachBounded(
    found.entries(),
    SPOOLED_AT_ONCE,
    stop,
    async ([at, input]) => {
      spooled[at] = await spoolInput(input, context);
    },
  );
  if (!isComplete) throw new SteleError('CANCELLED', 'Stopped while reading the input.');
  return spooled;
}

/** 0, which stands for not known, where a stream is among them. */
function sizesOf(inputs: readonly FoundInput[]): number {
  if (inputs.some((input) => input.isStream)) return 0;
  return inputs.reduce((sum, input) => sum + input.sizeBytes, 0);
}

/** What comes out of the unpacking must be text. */
function refusePacked(input: FoundInput, head: Buffer): void {
  refuseForeign(head, `${nameOf(input)}, unpacked,`);
  if (compressionOfBytes(head) === 'none') return;
  const text = `${nameOf(input)} was compressed twice; unpack it once before it is loaded.`;
  throw new SteleError('UNSUPPORTED', text);
}

/**
 * Name, size and time: a file that was written again is another input. The same file in another folder
 * is the same one, if its content is (fingerprint.ts).
 */
function identityOf(input: FoundInput, contentHash: string): unknown {
  if (input.isStream) return ['-', contentHash];
  return [basename(input.path), input.sizeBytes, input.modifiedMs];
}

function hashOf(identities: readonly unknown[], dialects: readonly Dialect[]): string {
  return createHash('sha256')
    .update(JSON.stringify([identities, dialects]))
    .digest('hex');
}
