// The parser of tsv, and of csv chunks without a quote. One pass over the bytes, a word at a time,
// finds delimiters and line ends.
//
// In tsv every byte between two tabs is the value; the file's first line decides whether lines end
// in `\r\n` (dialect.stripCarriageReturn). In csv a `\r` before `\n` never belongs to a cell. Blank
// lines are skipped and not counted as rows.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row.

import { CARRIAGE_RETURN, NEWLINE } from '../../input/dialect.ts';
import { isBlank } from './csv-records.ts';
import { addCells, beginCells, isComment } from '../parse-context.ts';
import type { ParseContext } from '../parse-context.ts';
import { trimmedEnd } from './parse-quoted.ts';
import { rejectRow } from '../row-table.ts';
import { broadcastByte, findByte, findEitherByte } from '../../bytes/word-scan.ts';

const NEWLINES = broadcastByte(NEWLINE);

/**
 * Parses `chunk`, which begins and ends at line ends. Rows are slices of the chunk or, with a JSON
 * value, of the growable buffer.
 */
export function parseDelimited(context: ParseContext, chunk: Buffer): void {
  const delimiters = broadcastByte(context.dialect.delimiter);
  const view = beginCells(context, chunk);
  for (let at = 0; at < chunk.length;) at = parseLine(context, chunk, view, delimiters, at);
}

/**
 * Parses the line at `at`; returns the offset of the next one. A function per line: as the body of
 * a loop it would be compiled while the first line is half parsed, and recompiled for everything
 * not seen by then.
 */
function parseLine(
  context: ParseContext,
  chunk: Buffer,
  view: DataView,
  delimiters: number,
  rowStart: number,
): number {
  const { cells, comment, dialect, rows } = context;
  const end = chunk.length;
  rows.lineCount++;
  if (comment.length > 0 && isComment(chunk, rowStart, comment)) {
    return findByte(view, rowStart, end, NEWLINES) + 1;
  }
  let at = rowStart;
  let column = 0;
  for (;;) {
    const cellStart = at;
    at = findEitherByte(view, at, end, delimiters, NEWLINES);
    // Stores beyond the last column fall outside the array and have no effect; the count reveals
    // them.
    cells[column * 2] = cellStart;
    cells[column * 2 + 1] = at;
    column++;
    if (at === end || view.getUint8(at) === NEWLINE) break;
    at++;
  }
  let contentEnd = at;
  if (
    dialect.stripCarriageReturn &&
    at < end &&
    at > rowStart &&
    chunk[at - 1] === CARRIAGE_RETURN
  ) {
    contentEnd--;
    cells[column * 2 - 1] = contentEnd;
  }
  if (dialect.trims) trimCells(view, cells, column, dialect.delimiter);
  const isBlankLine =
    contentEnd === rowStart || (dialect.trims && column === 1 && cells[0] === cells[1]);
  if (!isBlankLine) {
    const reason = addCells(context, chunk, column);
    if (reason !== '') rejectRow(rows, rowStart, at, rows.lineCount, reason);
  }
  return at + 1;
}

/** Removes the blanks around each cell. */
function trimCells(view: DataView, cells: Uint32Array, columns: number, delimiter: number): void {
  const count = Math.min(columns * 2, cells.length);
  for (let at = 0; at < count; at += 2) {
    const end = cells[at + 1] as number;
    let start = cells[at] as number;
    while (start < end && isBlank(view.getUint8(start), delimiter)) start++;
    cells[at] = start;
    cells[at + 1] = trimmedEnd(view, start, end, delimiter);
  }
}
