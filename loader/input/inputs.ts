// Inputs of a load: what is known of each before it is read, and whether it is still that.
//
// find-inputs.ts makes them of what the command line names.

import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { turnKeeper } from '../bytes/bounded.ts';
import type { Dialect } from './dialect.ts';
import type { Compression } from './formats.ts';
import type { TextFacts } from './text-facts.ts';

export const STDIN_PATH = '-';

/** An input as it was found; nothing but its first bytes has been read. */
export interface FoundInput {
  /** Absolute, or `-`. */
  readonly path: string;
  /** Standard input, a named pipe, a device: can be read once, from its beginning. */
  readonly isStream: boolean;
  /** By its first bytes; a stream's is not known yet. */
  readonly compression: Compression;
  /** By its first bytes, where it is not compressed. */
  readonly isUtf16?: boolean;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** A file that is ready to be cut into chunks. */
export interface InputFile extends FoundInput {
  /** What is read: the path itself, or the spooled copy of a compressed file or stream. */
  readonly readPath: string;
  /** Of `readPath`. */
  readonly sizeBytes: number;
  /** Of its own format; inputs of one format have the same columns. */
  readonly dialect: Dialect;
  /** What was found out of its text; for people. */
  readonly text?: TextFacts;
  /** Of jsonl: members that are stored nowhere. */
  readonly droppedMembers?: readonly string[];
  /** Behind a byte order mark and the header. */
  readonly dataStart: number;
  /** Lines before that. */
  readonly dataStartLine: number;
}

/** All inputs of a load, before the first row is parsed. */
export interface PreparedInput {
  readonly inputs: readonly InputFile[];
  /** Hash of names, sizes, times and dialects; the content counts where it was a stream's. */
  readonly identity: string;
  readonly bytesTotal: number;
  /** Of them, what stands before the data: headers and byte order marks. */
  readonly headBytes: number;
}

/** What messages call an input. */
export function nameOf({ path }: { readonly path: string }): string {
  return path === STDIN_PATH ? 'standard input' : `'${shorten(path, 200)}'`;
}

/** INPUT_CHANGED if the file is not what it was when the load began. */
export function changeOf(input: FoundInput): SteleError | undefined {
  if (input.isStream) return undefined;
  const stats = statSync(input.path, { throwIfNoEntry: false });
  if (stats === undefined) return inputChanged(input, 'is gone since the load began');
  const isSame = stats.size === input.sizeBytes && stats.mtimeMs === input.modifiedMs;
  return isSame ? undefined : inputChanged(input);
}

/** Throws INPUT_CHANGED if one of the files is not what it was when the load began. */
export async function checkUnchanged(inputs: readonly FoundInput[]): Promise<void> {
  const turnEnd = turnKeeper();
  for (const input of inputs) {
    const change = changeOf(input);
    if (change !== undefined) throw change;
    await turnEnd();
  }
}

/** What files under change look like: cut rows, two values of a key, an end before the end. */
const LOOKS_OF_CHANGE: ReadonlySet<ErrorCode> = new Set([
  ...(['INPUT_CHANGED', 'INPUT_INVALID', 'TOO_MANY_REJECTS', 'DUPLICATE_KEY'] as const),
  ...(['IO', 'INTERNAL'] as const),
]);

/** Why a load failed: where a file changed meanwhile, that, and not what was then found in it. */
export async function changeBehind(
  thrown: unknown,
  inputs: readonly FoundInput[],
): Promise<SteleError> {
  const error = toSteleError(thrown);
  if (!LOOKS_OF_CHANGE.has(error.code)) return error;
  try {
    await checkUnchanged(inputs);
  } catch (change) {
    return toSteleError(change);
  }
  return error;
}

export function inputChanged(
  input: { readonly path: string },
  what = 'changed while it was being loaded',
): SteleError {
  return new SteleError(
    'INPUT_CHANGED',
    `${nameOf(input)} ${what}, so nothing was committed; load it again when it is complete.`,
  );
}

/** What a load is called in `stele versions`. */
export function describeInputs(inputs: readonly FoundInput[]): string {
  const first = inputs[0];
  if (first === undefined) return '';
  const name = first.path === STDIN_PATH ? 'standard input' : basename(first.path);
  return inputs.length === 1 ? name : `${name} and ${inputs.length - 1} more`;
}
