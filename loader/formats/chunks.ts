// Cuts the input at record boundaries into pieces (chunks), and combines these into portions.
// A worker parses one portion at a time and writes it as one run. Both depend on the bytes, the
// dialects and the chunk size alone, so a resumed load cuts in the same places.
//
//     | header | chunk 0 .......\n| chunk 1 ......\n| chunk 2 ...|      (per file)
//              ^ dataStart       ^ the first record end at or after the nominal end
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

import { dataRange, inputChanged } from '../input/inputs.ts';
import type { InputFile } from '../input/inputs.ts';
import { formatNamed } from './formats.ts';
import { pieceExtent } from './input-format.ts';
import type { InputFormat, Piece } from './input-format.ts';
import { readPiece } from './read-piece.ts';

/**
 * Each costs a few system calls: a portion of very small files should take at most a second, too.
 */
const PIECES_MAX = 4096;
/**
 * Where a file that is cut into pieces only is shared by several processes: each must find the same
 * pieces, whatever its memory is.
 */
const SHARED_PIECE_BYTES = 4 * 1024 * 1024;

/** A piece of one input. */
export interface Chunk extends Piece {
  /** 0-based, over all files. */
  readonly index: number;
  /** Index into the list of inputs. */
  readonly file: number;
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
    const { dialect, folderValues } = input;
    const more = folderValues === undefined ? {} : { folderValues };
    for (const piece of cutShare(input, chunkBytes, formatNamed(dialect.format))) {
      yield { ...piece, ...more, index: index++, file };
    }
  }
}

function* cutShare(
  input: InputFile,
  chunkBytes: number,
  format: InputFormat,
): Generator<Piece, void, undefined> {
  const { share } = input;
  if (share === undefined || format.rowStarts !== undefined) {
    yield* format.cut(input, chunkBytes);
    return;
  }
  for (const piece of format.cut(input, SHARED_PIECE_BYTES)) {
    if (piece.start >= share[1]) return;
    if (piece.start >= share[0]) yield piece;
  }
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
  for (const input of inputs) {
    const [start, end] = dataRange(input);
    const byteCount = end - start;
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
    base += pieceExtent(piece);
  }
}

/** The bytes of one piece. Throws INPUT_CHANGED if there are fewer. */
export function readChunk(inputs: readonly InputFile[], chunk: Chunk): Buffer {
  const input = inputs[chunk.file] as InputFile;
  const bytes = readPiece(input.readPath, chunk);
  if (bytes === undefined) throw inputChanged(input);
  return bytes;
}
