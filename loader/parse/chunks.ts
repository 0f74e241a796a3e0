// Cuts the input at record boundaries into byte ranges (chunks), and combines these into portions.
// A worker parses one portion at a time and writes it as one run. Both depend on the bytes, the
// dialects and the chunk size alone, so a resumed load cuts in the same places.
//
//     | header | chunk 0 .......\n| chunk 1 ......\n| chunk 2 ...|      (per file)
//              ^ dataStart       ^ the first record end at or after the nominal end
//
// line, tsv, jsonl: a record ends at the next `\n`; only a few bytes around each boundary are read.
// csv: a `\n` inside quotes is data, so the file is read once, from quote to quote
// (csv-records.ts), at memory speed, while workers already parse the first chunks.
//
// No search goes further than the maximum length of a record: a file without line ends is refused
// at its first chunk, not after all of it has been read.
//
// A portion is one chunk of a large file, or many small files of one dialect: a run for each of ten
// thousand small files would cost each shard ten thousand reads.
//
//     part-0000  part-0001 ... part-0411 | part-0412 ...        small files, whole
//     |------- portion 0 --------------| | portion 1 ...
//     large.csv chunk 0 | chunk 1 | ...                         one chunk, one portion
//
// Offsets of rows in a portion run on through its pieces. Each piece is parsed by itself: an open
// quote at the end of one file does not reach into the next.

import { closeSync, openSync } from 'node:fs';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { KEY_BYTES_MAX } from '../../base/limits.ts';
import { CsvRecords, QUOTED_BYTES_MAX } from './delimited/csv-records.ts';
import type { ByteSource } from '../bytes/byte-source.ts';
import type { RecordRules } from './delimited/csv-records.ts';
import { NEWLINE } from '../input/dialect.ts';
import type { Dialect } from '../input/dialect.ts';
import type { LoadFormat } from '../input/formats.ts';
import { FileWindow, readRange } from '../bytes/file-window.ts';
import { inputChanged } from '../input/inputs.ts';
import type { InputFile } from '../input/inputs.ts';

/** Small enough to stay in a core's cache while it is searched. */
const WINDOW_BYTES = 256 * 1024;
/** A file up to this size that fits one chunk becomes one, and is not opened here. */
const WHOLE_BYTES_MAX = 16 * 1024 * 1024;
/** A record with the longest quoted value, the longest key, and some other columns. */
export const RECORD_BYTES_MAX = QUOTED_BYTES_MAX + 2 * KEY_BYTES_MAX + 1024 * 1024;

/**
 * Each costs a few system calls: a portion of very small files should take at most a second, too.
 */
const PIECES_MAX = 4096;

/** A byte range of one input that contains complete records. */
export interface Chunk {
  /** 0-based, over all files. */
  readonly index: number;
  /** Index into the list of inputs. */
  readonly file: number;
  readonly start: number;
  readonly end: number;
}

/**
 * All chunks in order, produced lazily: the caller parses the first while the rest is not yet cut.
 * A chunk exceeds `chunkBytes` by one record at most. Throws INPUT_INVALID for a record that is too
 * long, INPUT_CHANGED, and I/O errors.
 */
export function* cutIntoChunks(
  inputs: readonly InputFile[],
  chunkBytes: number,
): Generator<Chunk, void, undefined> {
  let index = 0;
  for (const [file, input] of inputs.entries()) {
    for (const range of cutFile(input, chunkBytes)) {
      yield { index: index++, file, start: range.start, end: range.end };
    }
  }
}

function* cutFile(
  input: InputFile,
  chunkBytes: number,
): Generator<{ start: number; end: number }, void, undefined> {
  if (input.dataStart >= input.sizeBytes) return;
  if (input.sizeBytes - input.dataStart <= Math.min(chunkBytes, WHOLE_BYTES_MAX)) {
    yield { start: input.dataStart, end: input.sizeBytes };
    return;
  }
  const { dialect } = input;
  const file = openSync(input.readPath, 'r');
  try {
    const source = new FileWindow(file, input.sizeBytes, WINDOW_BYTES);
    const records = newRecordEnds(source, dialect);
    let start = input.dataStart;
    while (start < source.end) {
      const nominalEnd = Math.min(start + chunkBytes, source.end);
      const limit = Math.min(source.end, nominalEnd + RECORD_BYTES_MAX);
      const end = records.endBehind(start, nominalEnd, limit);
      if (end < 0) throw endlessRecord(input, source, start, nominalEnd);
      yield { start, end };
      start = end;
    }
  } finally {
    closeSync(file);
  }
}

export interface RecordEnds {
  /** See CsvRecords. */
  endBehind(start: number, nominalEnd: number, limit: number): number;
}

/** The record ends of one input, whatever its format. Call it with rising offsets. */
export function newRecordEnds(
  source: ByteSource,
  dialect: RecordRules & Pick<Dialect, 'format'>,
): RecordEnds {
  if (dialect.format === 'csv') return new CsvRecords(source, dialect);
  return {
    endBehind: (_start, nominalEnd, limit) => {
      const newline = source.find(NEWLINE, nominalEnd - 1, limit);
      if (newline >= 0 && newline < limit) return newline + 1;
      return limit < source.end ? -1 : source.end;
    },
  };
}

/** The record that begins before `nominalEnd` and has no end within reach. */
function endlessRecord(
  input: InputFile,
  source: ByteSource,
  chunkStart: number,
  nominalEnd: number,
): SteleError {
  const { dialect } = input;
  const records = newRecordEnds(source, dialect);
  let start = chunkStart;
  for (;;) {
    const end = records.endBehind(start, start + 1, nominalEnd);
    if (end < 0) break;
    start = end;
  }
  return recordTooLong(input.path, start, dialect.format);
}

/** INPUT_INVALID for the record at `start`, which has no end within RECORD_BYTES_MAX. */
export function recordTooLong(path: string, start: number, format: LoadFormat): SteleError {
  return new SteleError(
    'INPUT_INVALID',
    `'${shorten(path, 200)}' has a row of more than ${Math.floor(RECORD_BYTES_MAX / 1024 / 1024)} MiB at byte ${start}, which is more than any row may have; is --format ${format} right?`,
  );
}

export interface Portion {
  /** 0-based, in the input's order. */
  readonly index: number;
  /** At least one; if there are more, each is all the data of its file. */
  readonly pieces: readonly [Chunk, ...Chunk[]];
  readonly byteCount: number;
}

/** A piece with its offset in its portion. */
export interface PlacedPiece extends Chunk {
  readonly base: number;
}

/**
 * All portions in order, produced lazily; throws as `cutIntoChunks`. Depends on the input and
 * `chunkBytes` only.
 */
export function* cutIntoPortions(
  inputs: readonly InputFile[],
  chunkBytes: number,
): Generator<Portion, void, undefined> {
  let index = 0;
  let held: [Chunk, ...Chunk[]] | undefined;
  let heldBytes = 0;
  let heldDialect = '';
  for (const chunk of cutIntoChunks(inputs, chunkBytes)) {
    const byteCount = chunk.end - chunk.start;
    const dialect = isWhole(inputs, chunk) ? JSON.stringify(inputs[chunk.file]?.dialect) : '';
    const isTogether =
      held !== undefined &&
      heldBytes + byteCount <= chunkBytes &&
      held.length < PIECES_MAX &&
      dialect === heldDialect;
    if (held !== undefined && isTogether) {
      held.push(chunk);
      heldBytes += byteCount;
      continue;
    }
    if (held !== undefined) yield { index: index++, pieces: held, byteCount: heldBytes };
    held = undefined;
    if (dialect !== '') {
      held = [chunk];
      heldBytes = byteCount;
      heldDialect = dialect;
    } else yield { index: index++, pieces: [chunk], byteCount };
  }
  if (held !== undefined) yield { index, pieces: held, byteCount: heldBytes };
}

function isWhole(inputs: readonly InputFile[], { end, file, start }: Chunk): boolean {
  const input = inputs[file];
  return start === input?.dataStart && end === input.sizeBytes;
}

/** An upper bound of the number of portions: a chunk may end late, so there may be fewer. */
export function countPortions(inputs: readonly InputFile[], chunkBytes: number): number {
  let count = 0;
  let left = 0;
  let pieces = 0;
  for (const { dataStart, sizeBytes } of inputs) {
    const byteCount = sizeBytes - dataStart;
    if (byteCount > chunkBytes || byteCount > left || pieces === PIECES_MAX) {
      count += Math.ceil(byteCount / chunkBytes);
      left = byteCount > chunkBytes ? 0 : chunkBytes;
      pieces = 0;
    }
    left -= Math.min(byteCount, left);
    pieces++;
  }
  return count;
}

/** The pieces with their offsets. */
export function* placedPieces({ pieces }: Portion): Generator<PlacedPiece, void, undefined> {
  let base = 0;
  for (const piece of pieces) {
    yield { ...piece, base };
    base += piece.end - piece.start;
  }
}

/** The concatenated bytes of all pieces. Throws INPUT_CHANGED if there are fewer. */
export function readPortion(inputs: readonly InputFile[], portion: Portion): Buffer {
  const parts = portion.pieces.map(({ end, file, start }) => {
    const input = inputs[file] as InputFile;
    const bytes = readRange(input.readPath, start, end);
    if (bytes.length !== end - start) throw inputChanged(input);
    return bytes;
  });
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}
