// Everything that is settled before the first row is parsed: format, spooled files, dialect, and what
// the input is known by without its content being read.

import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Budget, forEachBounded } from './bounded.ts';
import { compressionOfBytes, refuseForeign } from './compression.ts';
import type { Dialect } from './dialect.ts';
import type { Notice } from './find-inputs.ts';
import { formatFor } from './formats.ts';
import type { LoadFormat } from './formats.ts';
import { checkSameColumns, readDialect } from './header.ts';
import type { Head, HeaderChoice } from './header.ts';
import { readHead } from './read-head.ts';
import { nameOf } from './inputs.ts';
import type { FoundInput, InputFile } from './inputs.ts';
import type { ProgressCounter } from './load-progress.ts';
import { unpackBytes } from './memory-plan.ts';
import type { LoadSettings } from './settings.ts';
import { needsSpool, spoolInput } from './spool.ts';
import type { Spooled } from './spool.ts';

export interface PreparedInput {
  readonly inputs: readonly InputFile[];
  /** Hash of names, sizes, times and dialects; the content counts where it was a stream's. */
  readonly identity: string;
  readonly bytesTotal: number;
  /** Of them, what stands before the data: headers and byte order marks. */
  readonly headBytes: number;
}

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

/** Reads the head of every input, and all of those that must be spooled. */
export async function prepareInputs(
  found: readonly FoundInput[],
  settings: LoadSettings,
  context: PrepareContext,
): Promise<PreparedInput> {
  // Before anything is unpacked, which may take long.
  const formats = found.map((input) => formatFor(input.path, settings.format));
  const spooled = await spoolAll(found, settings.memoryMax, context);
  const identities: unknown[] = [];
  const inputs: InputFile[] = [];
  /** Of each format, the dialect of its first file. */
  const dialects = new Map<LoadFormat, Dialect>();
  for (const [at, input] of found.entries()) {
    const format = formats[at] as LoadFormat;
    const { identity, path: readPath } = spooled[at] as Spooled;
    const sizeBytes = statSync(readPath).size;
    identities.push(identityOf(input, identity));
    const head = readHead(readPath, input.path, format);
    if (head.length === 0) {
      context.notice(`${nameOf(input)} is empty`);
      continue;
    }
    refusePacked(input, head);
    const first = dialects.get(format);
    const read = dialectOf(input, head, format, headerChoice(settings, first), found.length);
    if (first === undefined) dialects.set(format, read.dialect);
    else checkSameColumns(first, read.dialect, input.path);
    inputs.push({ ...input, ...read, sizeBytes, readPath });
  }
  if (inputs.length === 0) throw new SteleError('INPUT_INVALID', 'The input is empty.');
  context.log.info({ dialects: [...dialects.values()], files: inputs.length }, 'dialect settled');
  return {
    inputs,
    identity: hashOf(identities, [...dialects.values()]),
    bytesTotal: inputs.reduce((sum, input) => sum + input.sizeBytes, 0),
    headBytes: inputs.reduce((sum, input) => sum + input.dataStart, 0),
  };
}

/** Where there are several inputs, an error says which one it is about. */
function dialectOf(
  input: FoundInput,
  head: Buffer,
  format: LoadFormat,
  choice: HeaderChoice,
  inputCount: number,
): Head {
  try {
    return readDialect(head, format, choice);
  } catch (thrown) {
    if (inputCount === 1 || !(thrown instanceof SteleError)) throw thrown;
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

/** What `--header auto` decided for the first input of a format holds for all. */
function headerChoice(settings: LoadSettings, first: Dialect | undefined): HeaderChoice {
  const header = first === undefined ? settings.header : first.hasHeader ? 'yes' : 'no';
  return { key: settings.key, value: settings.value, header };
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
