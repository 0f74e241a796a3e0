// Rejected rows. The end of each run says where the bad rows of its chunk are; their bytes are read
// from the input again. Here are the errors that name the first few; rejects-file.ts writes all of
// them down.

import { closeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../base/errors.ts';
import { freeMemory } from '../../base/process/free-memory.ts';
import { shorten } from '../../base/ids.ts';
import { readFully } from '../bytes/file-window.ts';
import { UNCLOSED } from '../parse/delimited/parse-quoted.ts';
import { placedPieces } from '../formats/chunks.ts';
import type { PlacedPiece } from '../formats/chunks.ts';
import { formatNamed } from '../formats/formats.ts';
import { pieceExtent } from '../formats/input-format.ts';
import { decodeRejects, reasonWithPlace } from '../parse/reject-table.ts';
import type { RejectTable } from '../parse/reject-table.ts';
import { openRun, sectionOffset } from '../runs/run-file.ts';
import { inputOf } from './load-job.ts';
import type { LoadJob, ParsedChunk } from './load-job.ts';

const NAMED_MAX = 3;
/** The bad rows of one chunk. Throws CORRUPT if its run is damaged. */
export function readRejects(job: LoadJob, parsed: ParsedChunk): RejectTable {
  const binding = Buffer.from(job.binding, 'hex');
  const { file, header } = openRun(job.folder.runs, binding, parsed.chunkIndex, job.shardCount);
  try {
    const bytes = Buffer.allocUnsafe(header.rejectsBytes);
    const got = readFully(file, bytes, bytes.length, sectionOffset(header, job.shardCount));
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

/** TOO_MANY_REJECTS, with the first bad rows among the chunks that are done. */
export function tooManyRejects(
  job: LoadJob,
  done: readonly (ParsedChunk | undefined)[],
  rejectedCount: number,
): SteleError {
  const { maxRejects, rejects } = job.settings;
  const many = rejectedCount === 1 ? '1 row was' : `${rejectedCount} or more rows were`;
  const next =
    rejects === undefined
      ? 'Correct the input, or allow more with --max-rejects (and list them with --rejects FILE).'
      : `All are in ${shorten(rejects, 200)}. Correct the input, or allow more with --max-rejects.`;
  const named = nameRejects(job, done).join('; ');
  // The only reason that a flag can change.
  const lines = named.includes(UNCLOSED)
    ? ` A value in quotes may have ${job.settings.maxLinesPerValue} line ends (--max-lines-per-value).`
    : '';
  return new SteleError(
    'TOO_MANY_REJECTS',
    `${many} rejected, ${maxRejects} allowed, so nothing was loaded. ${named}. ${next}${lines}`,
  );
}

/**
 * Why there is nothing to load (all rows may have been rejected): a sentence without its full stop.
 */
export function noRowText(
  job: LoadJob,
  done: readonly ParsedChunk[],
  rejectedCount: number,
): string {
  if (rejectedCount === 0) return 'The input has no row to load';
  const many = rejectedCount === 1 ? 'its only row was' : `all of its ${rejectedCount} rows were`;
  const named = nameRejects(job, done).join('; ');
  return `The input has no row to load: ${many} rejected (${named})`;
}

/**
 * The first bad rows among the chunks that are done: place, reason and the beginning of the row.
 */
export function nameRejects(job: LoadJob, done: readonly (ParsedChunk | undefined)[]): string[] {
  const named: string[] = [];
  for (const parsed of done) {
    if (named.length === NAMED_MAX) break;
    if (parsed !== undefined && parsed.rejectedCount > 0) nameSome(job, parsed, named);
  }
  return named;
}

function nameSome(job: LoadJob, parsed: ParsedChunk, named: string[]): void {
  let table: RejectTable;
  try {
    table = readRejects(job, parsed);
  } catch {
    // A damaged run: the rows of this chunk are left out of the sentence.
    return;
  }
  let row = 0;
  for (const piece of placedPieces(parsed.portion)) {
    const { dialect, path, readPath } = inputOf(job, piece);
    const format = formatNamed(dialect.format);
    const { base } = piece;
    for (; row < rowsUpTo(table, piece) && named.length < NAMED_MAX; row++) {
      const place = format.placeText(piece, (table.start[row] as number) - base);
      const reason = reasonWithPlace(table, row, piece.start - base, format.tellsColumns);
      const shown = format.showRow(readPath, dialect, piece, table, base, row);
      named.push(`${shorten(path, 120)} ${place}: ${reason} ('${shorten(shown, 40)}')`);
    }
  }
}

/** The number of rows, which are in the input's order, that begin before the end of a piece. */
export function rowsUpTo(table: RejectTable, piece: PlacedPiece): number {
  const pieceEnd = piece.base + pieceExtent(piece);
  let [low, high] = [0, table.count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((table.start[middle] as number) < pieceEnd) low = middle + 1;
    else high = middle;
  }
  return low;
}
