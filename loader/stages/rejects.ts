// Rejected rows: the tables at the end of each run say where they are; their bytes are read from the
// input again. Here: the error that names the first few. rejects-file.ts writes all of them down.

import { closeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../base/errors.ts';
import { freeMemory } from '../../base/free-memory.ts';
import { shorten } from '../../base/ids.ts';
import { readFully, readRange } from '../bytes/file-window.ts';
import type { InputFile } from '../input/inputs.ts';
import type { LoadState, ParsedChunk } from './load-state.ts';
import { UNCLOSED } from '../parse/parse-quoted.ts';
import { placedPieces } from '../parse/portions.ts';
import type { PlacedPiece } from '../parse/portions.ts';
import { decodeRejects, reasonWithPlace } from '../parse/reject-table.ts';
import type { RejectTable } from '../parse/reject-table.ts';
import { openRun, sectionOffset } from '../runs/run-file.ts';

const NAMED_MAX = 3;
const SHOWN_BYTES_MAX = 200;

/** The bad rows of one chunk. Throws CORRUPT if its run is damaged. */
export function readRejects(state: LoadState, parsed: ParsedChunk): RejectTable {
  const binding = Buffer.from(state.binding, 'hex');
  const { file, header } = openRun(state.folder.runs, binding, parsed.chunkIndex, state.shardCount);
  try {
    const bytes = Buffer.allocUnsafe(header.rejectsBytes);
    const got = readFully(file, bytes, bytes.length, sectionOffset(header, state.shardCount));
    if (got === bytes.length && crc32(bytes) === header.rejectsCrc) {
      const table = decodeRejects(bytes);
      freeMemory([bytes]);
      return table;
    }
  } finally {
    closeSync(file);
  }
  throw new SteleError('CORRUPT', `The rejects of run ${parsed.chunkIndex} are damaged.`);
}

/** The input that a piece is of. */
export function inputOf({ prepared }: LoadState, { file }: { readonly file: number }): InputFile {
  const input = prepared.inputs[file];
  if (input !== undefined) return input;
  throw new SteleError('INTERNAL', `There is no input ${file}.`);
}

/** TOO_MANY_REJECTS, with the first bad rows among the chunks that are done. */
export function tooManyRejects(
  state: LoadState,
  done: readonly (ParsedChunk | undefined)[],
  rejectedCount: number,
): SteleError {
  const { maxRejects, rejects } = state.settings;
  const many = rejectedCount === 1 ? '1 row was' : `${rejectedCount} or more rows were`;
  const next =
    rejects === undefined
      ? 'Mend the input, or allow more with --max-rejects (and list them with --rejects FILE).'
      : `All are in ${shorten(rejects, 200)}. Mend the input, or allow more with --max-rejects.`;
  const named = nameRejects(state, done).join('; ');
  // The only reason that a flag takes away.
  const lines = named.includes(UNCLOSED)
    ? ` A value in quotes may have ${state.settings.maxLinesPerValue} line ends (--max-lines-per-value).`
    : '';
  return new SteleError(
    'TOO_MANY_REJECTS',
    `${many} rejected, ${maxRejects} allowed, so nothing was loaded. ${named}. ${next}${lines}`,
  );
}

/** Why there is nothing to load: a sentence without its full stop. All rows may have been rejected. */
export function noRowText(
  state: LoadState,
  done: readonly ParsedChunk[],
  rejectedCount: number,
): string {
  if (rejectedCount === 0) return 'The input has no row to load';
  const many = rejectedCount === 1 ? 'its only row was' : `all of its ${rejectedCount} rows were`;
  const named = nameRejects(state, done).join('; ');
  return `The input has no row to load: ${many} rejected (${named})`;
}

/** The first bad rows among the chunks that are done: place, reason and how the row begins. */
export function nameRejects(
  state: LoadState,
  done: readonly (ParsedChunk | undefined)[],
): string[] {
  const named: string[] = [];
  for (const parsed of done) {
    if (named.length === NAMED_MAX) break;
    if (parsed !== undefined && parsed.rejectedCount > 0) nameSome(state, parsed, named);
  }
  return named;
}

function nameSome(state: LoadState, parsed: ParsedChunk, named: string[]): void {
  let table: RejectTable;
  try {
    table = readRejects(state, parsed);
  } catch {
    // Damaged: the sentence does without the rows of this chunk.
    return;
  }
  let row = 0;
  for (const piece of placedPieces(parsed.portion)) {
    const { dialect, path, readPath } = inputOf(state, piece);
    const inFile = piece.start - piece.base;
    for (; row < rowsUpTo(table, piece) && named.length < NAMED_MAX; row++) {
      const offset = inFile + (table.start[row] as number);
      const end = inFile + (table.end[row] as number);
      const raw = readRange(readPath, offset, Math.min(end, offset + SHOWN_BYTES_MAX));
      const place = `${shorten(path, 120)} at byte ${offset}`;
      const reason = reasonWithPlace(table, row, inFile, dialect.format);
      named.push(`${place}: ${reason} ('${shorten(raw.toString('utf8'), 40)}')`);
    }
  }
}

/** Rows of the table, which is in the input's order, that begin before the end of a piece. */
export function rowsUpTo(table: RejectTable, { base, end, start }: PlacedPiece): number {
  const pieceEnd = base + end - start;
  let [low, high] = [0, table.count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((table.start[middle] as number) < pieceEnd) low = middle + 1;
    else high = middle;
  }
  return low;
}
