// The byte path of csv and tsv: records in which no quote has a meaning. One pass over the bytes
// finds delimiters and line ends.
//
// In tsv every byte between two tabs is the value; whether lines end in `\r\n` is settled by the
// file's first line (dialect.stripCarriageReturn). In csv a `\r` before `\n` never belongs to a cell.
// Blank lines are skipped and not counted as rows.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row.

import { CARRIAGE_RETURN, NEWLINE, VALUE_IS_JSON } from './dialect.ts';
import { addCopiedRow } from './parse-context.ts';
import type { ParseContext } from './parse-context.ts';
import { addRow, rejectRow } from './row-table.ts';

/**
 * Parses `chunk[start, end)`, which begins and ends at line ends. With `copies`, or a JSON value, rows
 * go into the arena; else they are slices of the chunk.
 */
export function parseDelimited(
  context: ParseContext,
  chunk: Buffer,
  start: number,
  end: number,
  copies: boolean,
): void {
  const { cells, dialect, rows } = context;
  const { delimiter, stripCarriageReturn: strips } = dialect;
  const columnCount = dialect.columns.length;
  const keyAt = dialect.keyColumn * 2;
  const valueAt = dialect.valueColumn * 2;
  const isCopied = copies || dialect.valueColumn === VALUE_IS_JSON;
  let at = start;
  while (at < end) {
    const rowStart = at;
    let cellStart = at;
    let column = 0;
    for (; at < end; at++) {
      const byte = chunk[at];
      if (byte === NEWLINE) break;
      if (byte !== delimiter) continue;
      // Stores beyond the last column fall outside the array and vanish; the count tells.
      cells[column * 2] = cellStart;
      cells[column * 2 + 1] = at;
      column++;
      cellStart = at + 1;
    }
    const endsInReturn = strips && at < end && at > cellStart && chunk[at - 1] === CARRIAGE_RETURN;
    const cellEnd = endsInReturn ? at - 1 : at;
    cells[column * 2] = cellStart;
    cells[column * 2 + 1] = cellEnd;
    column++;
    const lineEnd = at;
    at++;
    rows.lineCount++;
    if (cellEnd === rowStart) continue;
    let reason = '';
    if (column !== columnCount) {
      reason = columnCountReason(column, columnCount);
    } else if (isCopied) {
      reason = addCopiedRow(context, chunk);
    } else {
      const keyStart = cells[keyAt] as number;
      const keyEnd = cells[keyAt + 1] as number;
      const valueStart = cells[valueAt] as number;
      reason = addRow(rows, chunk, keyStart, keyEnd, valueStart, cells[valueAt + 1] as number);
    }
    if (reason !== '') {
      rejectRow(rows, rowStart, lineEnd, rows.lineCount, reason);
    }
  }
}

/** The sentence for a record of the wrong width. */
export function columnCountReason(found: number, expected: number): string {
  return `${found} column${found === 1 ? '' : 's'} instead of ${expected}`;
}
