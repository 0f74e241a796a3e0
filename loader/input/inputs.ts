// Inputs of a load: their properties before they are read, and checks that these have not changed.
//
// find-inputs.ts makes them from the command line.

import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { tickLimiter } from '../bytes/bounded.ts';
import { isRemote } from '../remote/remote-file.ts';
import type { RemoteFile } from '../remote/remote-file.ts';
import type { Dialect } from './dialect.ts';
import type { Compression, LoadFormat } from './formats.ts';
import type { TextFacts } from './text.ts';

export const STDIN_PATH = '-';

/** An input as it was found; only its first bytes have been read. */
export interface FoundInput {
  /** Absolute, or `-`, or a URL without what may be secret. */
  readonly path: string;
  /** Standard input, a named pipe, a device: can be read once, from its start. */
  readonly isStream: boolean;
  /**
   * Values of the columns that are in the names of its folders; null for Hive's default partition.
   */
  readonly folderValues?: readonly (string | null)[];
  /** A file of another machine. */
  readonly remote?: RemoteFile;
  /** By its first bytes; a stream's is not known yet. */
  readonly compression: Compression;
  /** By its first bytes, if it is not compressed. */
  readonly isUtf16?: boolean;
  /** By its first bytes, if these are not text. */
  readonly byContent?: LoadFormat;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** A file that is ready to be cut into chunks. */
export interface InputFile extends FoundInput {
  /** The file to read: the path itself, or the spooled copy of a compressed file or stream. */
  readonly readPath: string;
  /** Size of `readPath`; of what is read of it, if that is not known by its bytes. */
  readonly sizeBytes: number;
  /** The dialect of its own format; inputs of one format have the same columns. */
  readonly dialect: Dialect;
  /** For formats of which only a part is read: stands for the content in fingerprints. */
  readonly contentCrc?: number;
  /** Properties of its text, for people. */
  readonly text?: TextFacts;
  /** For jsonl: members that are not stored. */
  readonly droppedMembers?: readonly string[];
  /** Offset after a byte order mark and the header. */
  readonly dataStart: number;
  /** Number of lines before that. */
  readonly dataStartLine: number;
  /**
   * The part of the data that is loaded, if not all of it: rows that begin in [start, end). For
   * text both are record ends; for other formats, pieces that begin there.
   */
  readonly share?: readonly [start: number, end: number];
}

/** The range of the file that is loaded. */
export function dataRange({ dataStart, share, sizeBytes }: InputFile): readonly [number, number] {
  return share ?? [dataStart, sizeBytes];
}

/** All inputs of a load, before the first row is parsed. */
export interface PreparedInput {
  readonly inputs: readonly InputFile[];
  /** Hash of names, sizes, times and dialects; for a stream, of its content. */
  readonly identity: string;
  readonly bytesTotal: number;
  /** Bytes of the whole input, if this is a share of it. */
  readonly wholeBytes?: number;
  /** Bytes before the data: headers and byte order marks. */
  readonly headBytes: number;
}

/** The name of an input in messages. */
export function nameOf({ path }: { readonly path: string }): string {
  return path === STDIN_PATH ? 'standard input' : `'${shorten(path, 200)}'`;
}

/** INPUT_CHANGED if a file of this machine is not what it was when the load began. */
export function changeOf(input: FoundInput): SteleError | undefined {
  if (input.isStream || isRemote(input.path)) return undefined;
  const stats = statSync(input.path, { throwIfNoEntry: false });
  if (stats === undefined) return inputChanged(input, 'is gone since the load began');
  const isSame = stats.size === input.sizeBytes && stats.mtimeMs === input.modifiedMs;
  return isSame ? undefined : inputChanged(input);
}

/** Throws INPUT_CHANGED if one of the files is not what it was when the load began. */
export async function checkUnchanged(inputs: readonly FoundInput[]): Promise<void> {
  const tickEnd = tickLimiter();
  for (const input of inputs) {
    await input.remote?.check();
    const change = changeOf(input);
    if (change !== undefined) throw change;
    await tickEnd();
  }
}

/** Errors that files under change cause: cut rows, two values of a key, an early end. */
const LOOKS_OF_CHANGE: ReadonlySet<ErrorCode> = new Set([
  ...(['INPUT_CHANGED', 'INPUT_INVALID', 'TOO_MANY_REJECTS', 'DUPLICATE_KEY'] as const),
  ...(['IO', 'INTERNAL'] as const),
]);

/**
 * The reason of a failed load: a change of a file if there was one, rather than the error that it
 * caused.
 */
export async function changeBehind(
  thrown: unknown,
  inputs: readonly FoundInput[],
): Promise<SteleError> {
  const error = toSteleError(thrown);
  if (!LOOKS_OF_CHANGE.has(error.code)) return error;
  try {
    await checkUnchanged(inputs);
  } catch (thrownThen) {
    const change = toSteleError(thrownThen);
    // A server that is down now says nothing about a change.
    if (change.code !== 'UNAVAILABLE') return change;
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

/** The name of a load in `stele versions`. */
export function describeInputs(inputs: readonly FoundInput[]): string {
  const first = inputs[0];
  if (first === undefined) return '';
  const name = first.path === STDIN_PATH ? 'standard input' : basename(first.path);
  return inputs.length === 1 ? name : `${name} and ${inputs.length - 1} more`;
}
