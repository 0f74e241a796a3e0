// Everything that is settled before the first row is parsed: format, spooled files, dialect, and the
// fingerprint by which `--skip-if-current` knows the input again.

import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Dialect } from './dialect.ts';
import { settleFormat } from './formats.ts';
import { checkSameColumns, readDialect, readHead } from './header.ts';
import type { HeaderChoice } from './header.ts';
import { STDIN_PATH } from './inputs.ts';
import type { FoundInput, InputFile } from './inputs.ts';
import type { LoadSettings } from './settings.ts';
import { spoolInput } from './spool.ts';

export interface PreparedInput {
  readonly inputs: readonly InputFile[];
  readonly dialect: Dialect;
  /** Of names, sizes, times and dialect; not of the content, which may be too large to read for that. */
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
  const format = settleFormat(
    found.map((input) => input.path),
    settings.format,
  );
  const identities: unknown[] = [];
  const inputs: InputFile[] = [];
  let dialect: Dialect | undefined;
  for (const input of found) {
    const spooled = await spoolInput(input, spoolFolder, stdin, signal);
    const sizeBytes = statSync(spooled.path).size;
    identities.push(identityOf(input, spooled.identity));
    const head = readHead(spooled.path);
    if (head.length === 0) continue;
    const read = readDialect(head, format, headerChoice(settings, dialect));
    if (dialect !== undefined) checkSameColumns(dialect, read.dialect, input.path);
    dialect ??= read.dialect;
    const { dataStart, dataStartLine } = read;
    inputs.push({ ...input, sizeBytes, readPath: spooled.path, dataStart, dataStartLine });
  }
  if (dialect === undefined) throw new SteleError('INPUT_INVALID', 'The input is empty.');
  log.info({ dialect, files: inputs.length }, 'dialect settled');
  return {
    inputs,
    dialect,
    fingerprint: fingerprintOf(identities, dialect),
    bytesTotal: inputs.reduce((sum, input) => sum + input.sizeBytes, 0),
  };
}

/** What `--header auto` decided for the first input holds for all. */
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

function fingerprintOf(identities: readonly unknown[], dialect: Dialect): string {
  return createHash('sha256')
    .update(JSON.stringify([identities, dialect]))
    .digest('hex');
}
