// The byte path of tsv, and of csv chunks without a quote. One pass over the bytes, a word at a time,
// finds delimiters and line ends.
//
// In tsv every byte between two tabs is the value; whether lines end in `\r\n` is settled by the
// file's first line (dialect.stripCarriageReturn). In csv a `\r` before `\n` never belongs to a cell.
// Blank lines are skipped and not counted as rows.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row.

import { CARRIAGE_RETURN, NEWLINE } from '../input/dialect.ts';
import { isBlank } from './csv-records.ts';
import { addCells, beginCells, isComment } from './parse-context.ts';
import type { ParseContext } from './parse-context.ts';
import { trimmedEnd } from './parse-quoted.ts';
import { rejectRow } from './row-table.ts';
import { copiesOf, findOne, findTwo } from '../bytes/word-scan.ts';

const NEWLINES = copiesOf(NEWLINE);

/**
 * Parses `chunk`, which begins and ends at line ends. Rows are slices of the chunk or, with a JSON
 * value, of the arena.
 */
export function parseDelimited(context: ParseContext, chunk: Buffer): void {
  const { cells, comment, dialect, rows } = context;
  const { delimiter, stripCarriageReturn: strips, trims } = dialect;
  const delimiters = copiesOf(delimiter);
  const end = chunk.length;
  const view = beginCells(context, chunk);
  const hasComments = comment.length > 0;
  let at = 0;
  while (at < end) {
    const rowStart = at;
    if (hasComments && isComment(chunk, at, comment)) {
      at = findOne(view, at, end, NEWLINES) + 1;
      rows.lineCount++;
      continue;
    }
    let column = 0;
    for (;;) {
      const cellStart = at;
      at = findTwo(view, at, end, delimiters, NEWLINES);
      // Stores beyond the last column fall outside the array and vanish; the count tells.
      cells[column * 2] = cellStart;
      cells[column * 2 + 1] = at;
      column++;
      if (at === end || view.getUint8(at) === NEWLINE) break;
      at++;
    }
    const lineEnd = at++;
    let contentEnd = lineEnd;
    if (strips && lineEnd < end && lineEnd > rowStart && chunk[lineEnd - 1] === CARRIAGE_RETURN) {
      contentEnd--;
      cells[column * 2 - 1] = contentEnd;
    }
    rows.lineCount++;
    if (trims) trimCells(view, cells, column, delimiter);
    if (contentEnd === rowStart) continue;
    const reason = addCells(context, chunk, column);
    if (reason !== '') rejectRow(rows, rowStart, lineEnd, rows.lineCount, reason);
  }
}

/** Takes the blanks around each cell away. */
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
