// Keys with two values: counted while the shards are built, then explained with both values, their
// file, byte and line. A place is found by parsing its chunk once more, record by record; that is
// slow, and happens once, before the load fails.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { readChunk } from '../formats/chunks.ts';
import type { Chunk } from '../formats/chunks.ts';
import { formatNamed } from '../formats/formats.ts';
import { CONFLICT_SAMPLES_MAX } from '../threads/build-task.ts';
import type { BuildOutcome, ConflictSample } from '../threads/build-task.ts';
import { inputOf } from './load-job.ts';
import type { LoadJob, ParsedChunk } from './load-job.ts';

/** Beyond this many conflicts, counting further says nothing more about the input. */
const COUNTED_MAX = 100_000;
const VALUE_CHARACTERS_MAX = 40;

/** The conflicts that the shards report. */
export class Conflicts {
  readonly #samples: ConflictSample[] = [];
  #count = 0;

  /** Rows whose value differs from the first of their key. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= COUNTED_MAX;
  }

  /**
   * The earliest conflicts, by chunk. Some more than are shown: which of them come first within a
   * chunk is known only when their places are.
   */
  get samples(): readonly ConflictSample[] {
    return this.#samples;
  }

  add({ conflictCount, conflicts }: BuildOutcome): void {
    this.#count += conflictCount;
    this.#samples.push(...conflicts);
    this.#samples.sort((a, b) => a.secondChunk - b.secondChunk || Buffer.compare(a.key, b.key));
    const last = this.#samples[CONFLICT_SAMPLES_MAX - 1]?.secondChunk ?? Infinity;
    const kept = this.#samples.filter(({ secondChunk }) => secondChunk <= last);
    this.#samples.splice(0, this.#samples.length, ...kept.slice(0, 2 * CONFLICT_SAMPLES_MAX));
  }
}

/** DUPLICATE_KEY, naming the earliest keys, both values and their places. */
export function conflictError(
  conflicts: Conflicts,
  job: LoadJob,
  chunks: readonly ParsedChunk[],
): SteleError {
  return new SteleError(
    'DUPLICATE_KEY',
    `${describeConflicts(conflicts, job, chunks)} Nothing was loaded; correct the input, or choose with --on-conflict first or last.`,
  );
}

/** A sentence that describes the earliest conflicts and says how many there are in all. */
export function describeConflicts(
  conflicts: Conflicts,
  job: LoadJob,
  chunks: readonly ParsedChunk[],
): string {
  const listed = conflicts.samples
    .map((sample) => locate(job, chunks, sample))
    .toSorted(byPlace)
    .slice(0, CONFLICT_SAMPLES_MAX)
    .map((one, index) => `${index === 0 ? 'The' : 'the'} ${describe(one)}`);
  if (conflicts.count <= listed.length) return `${listed.join('; ')}.`;
  const many = `${conflicts.isFull ? 'At least ' : ''}${conflicts.count}`;
  return `${listed.join('; ')}. ${many} rows have another value in all.`;
}

/** Earliest first, by the place of the second value. */
function byPlace({ second: a }: LocatedConflict, { second: b }: LocatedConflict): number {
  return a.chunk - b.chunk || a.file - b.file || a.offset - b.offset;
}

interface Place {
  readonly chunk: number;
  readonly file: number;
  /** Offset of the record in its file; of the chunk, if the record cannot be found again. */
  readonly offset: number;
  /** `FILE at byte 12 (line 3)`. */
  readonly text: string;
  /** The beginning of the value. */
  readonly value: Uint8Array;
}

interface LocatedConflict {
  readonly key: Uint8Array;
  readonly first: Place;
  readonly second: Place;
}

/**
 * `key 'a' has two values: 'x' in FILE at byte 4 (line 2), and 'y' in FILE at byte 14 (line 4)`.
 */
function describe({ first, key, second }: LocatedConflict): string {
  const name = shorten(Buffer.from(key).toString('utf8'));
  return `key '${name}' has two values: ${describePlace(first)}, and ${describePlace(second)}`;
}

function describePlace({ text: place, value }: Place): string {
  const text = shorten(Buffer.from(value).toString('utf8'), VALUE_CHARACTERS_MAX);
  return `'${text}' in ${place}`;
}

function locate(
  job: LoadJob,
  chunks: readonly ParsedChunk[],
  sample: ConflictSample,
): LocatedConflict {
  const { firstChunk, firstValue, key, secondChunk, secondValue } = sample;
  return {
    key,
    first: placeOf(job, chunks, firstChunk, key, firstValue),
    second: placeOf(job, chunks, secondChunk, key, secondValue),
  };
}

function placeOf(
  job: LoadJob,
  chunks: readonly ParsedChunk[],
  index: number,
  key: Uint8Array,
  value: Uint8Array,
): Place {
  const parsed = chunks[index];
  if (parsed === undefined) throw new SteleError('INTERNAL', `There is no chunk ${index}.`);
  const { pieces } = parsed.portion;
  for (const piece of pieces) {
    const { dialect } = inputOf(job, piece);
    const bytes = readChunk(job.prepared.inputs, piece);
    const found = formatNamed(dialect.format).locate(dialect, bytes, piece, key, value);
    if (found !== undefined) return { ...placeAt(job, chunks, index, piece, found), value };
  }
  return { ...placeAt(job, chunks, index, pieces[0], 0), value };
}

function placeAt(
  job: LoadJob,
  chunks: readonly ParsedChunk[],
  index: number,
  piece: Chunk,
  offset: number,
): Omit<Place, 'value'> {
  const { file, start } = piece;
  const { dataStartLine, dialect, path } = inputOf(job, piece);
  const format = formatNamed(dialect.format);
  const before = chunks.filter((one, at) => at < index && one.portion.pieces[0].file === file);
  const linesBefore = before.reduce((sum, one) => sum + one.lineCount, dataStartLine);
  // Parsing has changed the bytes that were read before.
  const bytes = readChunk(job.prepared.inputs, piece);
  const line = linesBefore + format.linesBefore(bytes, offset) + 1;
  const text = `${shorten(path, 120)} ${format.placeText(piece, offset, line)}`;
  return { chunk: index, file, offset: start + offset, text };
}
