// Keys with two values, for people: both values, with file, byte and line. The places are found by
// parsing the chunks in question once more; that happens once, before the load gives up.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { CONFLICT_SAMPLES_MAX } from '../threads/build-task.ts';
import type { ConflictSample } from '../threads/build-task.ts';
import type { Chunk } from '../parse/chunks.ts';
import type { Conflicts } from './conflicts.ts';
import { NEWLINE } from '../input/dialect.ts';
import type { LoadState, ParsedChunk } from './load-state.ts';
import { locateRow } from './locate-row.ts';
import { readRange } from '../bytes/file-window.ts';
import { inputOf } from './rejects.ts';

const VALUE_CHARACTERS_MAX = 40;

/** DUPLICATE_KEY with the earliest keys, both values and where they are. */
export function conflictError(
  conflicts: Conflicts,
  state: LoadState,
  chunks: readonly ParsedChunk[],
): SteleError {
  return new SteleError(
    'DUPLICATE_KEY',
    `${tellConflicts(conflicts, state, chunks)} Nothing was loaded; mend the input, or choose with --on-conflict first or last.`,
  );
}

/** A sentence for the earliest, and how many there are in all. */
export function tellConflicts(
  conflicts: Conflicts,
  state: LoadState,
  chunks: readonly ParsedChunk[],
): string {
  const told = conflicts.samples
    .map((sample) => locate(state, chunks, sample))
    .toSorted(byPlace)
    .slice(0, CONFLICT_SAMPLES_MAX)
    .map((one, index) => `${index === 0 ? 'The' : 'the'} ${describe(one)}`);
  if (conflicts.count <= told.length) return `${told.join('; ')}.`;
  const many = `${conflicts.isFull ? 'At least ' : ''}${conflicts.count}`;
  return `${told.join('; ')}. ${many} rows have another value in all.`;
}

/** Earliest first, by where the second value is. */
function byPlace({ second: a }: LocatedConflict, { second: b }: LocatedConflict): number {
  return a.chunk - b.chunk || a.file - b.file || a.offset - b.offset;
}

interface Place {
  readonly chunk: number;
  readonly file: number;
  readonly path: string;
  /** Of the record in its file; of the chunk, where it cannot be found again. */
  readonly offset: number;
  /** 1-based. */
  readonly line: number;
  /** The beginning of the value. */
  readonly value: Uint8Array;
}

interface LocatedConflict {
  readonly key: Uint8Array;
  readonly first: Place;
  readonly second: Place;
}

/** `key 'a' has two values: 'x' in FILE at byte 4 (line 2), and 'y' in FILE at byte 14 (line 4)`. */
function describe({ first, key, second }: LocatedConflict): string {
  const name = shorten(Buffer.from(key).toString('utf8'));
  return `key '${name}' has two values: ${describePlace(first)}, and ${describePlace(second)}`;
}

function describePlace({ line, offset, path, value }: Place): string {
  const text = shorten(Buffer.from(value).toString('utf8'), VALUE_CHARACTERS_MAX);
  return `'${text}' in ${shorten(path, 120)} at byte ${offset} (line ${line})`;
}

function locate(
  state: LoadState,
  chunks: readonly ParsedChunk[],
  sample: ConflictSample,
): LocatedConflict {
  const { firstChunk, firstValue, key, secondChunk, secondValue } = sample;
  return {
    key,
    first: placeOf(state, chunks, firstChunk, key, firstValue),
    second: placeOf(state, chunks, secondChunk, key, secondValue),
  };
}

function placeOf(
  state: LoadState,
  chunks: readonly ParsedChunk[],
  index: number,
  key: Uint8Array,
  value: Uint8Array,
): Place {
  const parsed = chunks[index];
  if (parsed === undefined) throw new SteleError('INTERNAL', `There is no chunk ${index}.`);
  const { pieces } = parsed.portion;
  for (const piece of pieces) {
    const { dialect, readPath } = inputOf(state, piece);
    const found = locateRow(readPath, piece, dialect, key, value);
    if (found !== undefined) return { ...placeAt(state, chunks, index, piece, found), value };
  }
  return { ...placeAt(state, chunks, index, pieces[0], pieces[0].start), value };
}

function placeAt(
  state: LoadState,
  chunks: readonly ParsedChunk[],
  index: number,
  { file, start }: Chunk,
  offset: number,
): Omit<Place, 'value'> {
  const { dataStartLine, path, readPath } = inputOf(state, { file });
  const before = chunks.filter((one, at) => at < index && one.portion.pieces[0].file === file);
  const linesBefore = before.reduce((sum, one) => sum + one.lineCount, dataStartLine);
  const line = linesBefore + countNewlines(readRange(readPath, start, offset)) + 1;
  return { chunk: index, file, path, offset, line };
}

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; count++) at = bytes.indexOf(NEWLINE, at + 1);
  return count;
}
