// What one worker parses at a time and writes as one run: a chunk of a large file, or many small files
// together. A run for each of ten thousand small files would cost each shard ten thousand reads.
//
//     part-0000  part-0001 ... part-0411 | part-0412 ...        small files: whole, of one dialect
//     |------- portion 0 --------------| | portion 1 ...
//     large.csv chunk 0 | chunk 1 | ...                         one chunk, one portion
//
// Offsets of rows in a portion count through its pieces, one after the other. Each piece is parsed for
// itself: an open quote at the end of one file does not reach into the next.

import { cutIntoChunks } from './chunks.ts';
import type { Chunk } from './chunks.ts';
import { readRange } from '../bytes/file-window.ts';
import { inputChanged } from '../input/inputs.ts';
import type { InputFile } from '../input/inputs.ts';

/** Each costs a few system calls: a portion of very small files is to end in a second, too. */
const PIECES_MAX = 4096;

export interface Portion {
  /** 0-based, in the input's order. */
  readonly index: number;
  /** One at least; if more, each is all the data of its file. */
  readonly pieces: readonly [Chunk, ...Chunk[]];
  readonly byteCount: number;
}

/** A piece and where it begins in its portion. */
export interface PlacedPiece extends Chunk {
  readonly base: number;
}

/** All portions in order, one at a time; throws as `cutIntoChunks`. A function of the input and `chunkBytes`. */
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

/** How many there will be; a chunk may end late, so there may be fewer. */
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

/** The pieces with their places. */
export function* placedPieces({ pieces }: Portion): Generator<PlacedPiece, void, undefined> {
  let base = 0;
  for (const piece of pieces) {
    yield { ...piece, base };
    base += piece.end - piece.start;
  }
}

/** The bytes of all pieces, one after the other. Throws INPUT_CHANGED where there are fewer. */
export function readPortion(inputs: readonly InputFile[], portion: Portion): Buffer {
  const parts = portion.pieces.map(({ end, file, start }) => {
    const input = inputs[file] as InputFile;
    const bytes = readRange(input.readPath, start, end);
    if (bytes.length !== end - start) throw inputChanged(input);
    return bytes;
  });
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}
