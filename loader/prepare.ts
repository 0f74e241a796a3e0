// Everything that is settled before the first row is parsed: format, spooled files, dialect, and the
// fingerprint by which `--skip-if-current` knows the input again.

import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Dialect } from './dialect.ts';
import { formatFor } from './formats.ts';
import type { LoadFormat } from './formats.ts';
import { checkSameColumns, readDialect, readHead } from './header.ts';
import type { HeaderChoice } from './header.ts';
import { STDIN_PATH } from './inputs.ts';
import type { FoundInput, InputFile } from './inputs.ts';
import type { LoadSettings } from './settings.ts';
import { spoolInput } from './spool.ts';

export interface PreparedInput {
  readonly inputs: readonly InputFile[];
  /** Of names, sizes, times and dialects; not of the content, which may be too large to read for that. */
  readonly fingerprint: string;
  readonly bytesTotal: number;
}

/** Reads the head of every input, and all of those that must be spooled. */
export async function prepareInputs(
  found: readonly FoundInput[],
  settings: LoadSettings,
  spoolFolder: string,
  stdin: Readable,
  log: Logger,
  signal: AbortSignal,
): Promise<PreparedInput> {
  const formats = found.map((input) => formatFor(input.path, settings.format));
  const identities: unknown[] = [];
  const inputs: InputFile[] = [];
  /** Of each format, the dialect of its first file. */
  const dialects = new Map<LoadFormat, Dialect>();
  for (const [at, input] of found.entries()) {
    const format = formats[at] as LoadFormat;
    const spooled = await spoolInput(input, spoolFolder, stdin, signal);
    const sizeBytes = statSync(spooled.path).size;
    identities.push(identityOf(input, spooled.identity));
    const head = readHead(spooled.path);
    if (head.length === 0) continue;
    const first = dialects.get(format);
    const read = readDialect(head, format, headerChoice(settings, first));
    if (first === undefined) dialects.set(format, read.dialect);
    else checkSameColumns(first, read.dialect, input.path);
    inputs.push({ ...input, ...read, sizeBytes, readPath: spooled.path });
  }
  if (inputs.length === 0) throw new SteleError('INPUT_INVALID', 'The input is empty.');
  log.info({ dialects: [...dialects.values()], files: inputs.length }, 'dialect settled');
  return {
    inputs,
    fingerprint: fingerprintOf(identities, [...dialects.values()]),
    bytesTotal: inputs.reduce((sum, input) => sum + input.sizeBytes, 0),
  };
}

/** What `--header auto` decided for the first input of a format holds for all. */
function headerChoice(settings: LoadSettings, first: Dialect | undefined): HeaderChoice {
  const header = first === undefined ? settings.header : first.hasHeader ? 'yes' : 'no';
  return { key: settings.key, value: settings.value, header };
}

/**
 * Name, size and time, as `make` and `rsync` have it: the same file in another folder is the same
 * input, a file that was written again is another.
 */
function identityOf(input: FoundInput, contentHash: string): unknown {
  if (input.path === STDIN_PATH) return ['-', contentHash];
  return [basename(input.path), input.sizeBytes, input.modifiedMs];
}

function fingerprintOf(identities: readonly unknown[], dialects: readonly Dialect[]): string {
  return createHash('sha256')
    .update(JSON.stringify([identities, dialects]))
    .digest('hex');
}
