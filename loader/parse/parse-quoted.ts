// The byte path of csv chunks in which quotes occur: RFC 4180, strictly.
//
//     record = cell *( "," cell ) [CR] LF          the last one of a file may lack its line end
//     cell   = *( any byte but " , LF )  |  " *( any byte but "  |  "" ) "
//
//     "a,b","x ""y"" z"\r\n         cells  a,b   and   x ""y"" z   as they stand in the chunk;
//      ^ ^   ^         ^            the second one is unescaped in place before it becomes a row:
//                                   x "y" z"" z      it only becomes shorter
//
// What is not of this grammar is what csv-parse refuses as well (a property test), and is rejected
// here with the offset of the quote at fault. Such a record ends at the first line end after the start
// of the field at fault (csv-records.ts has the same rule), so the rows after it are read as they are.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row.

import { QUOTED_BYTES_MAX, isBlank } from './csv-records.ts';
import { CARRIAGE_RETURN, NEWLINE, QUOTE, VALUE_IS_JSON } from '../input/dialect.ts';
import type { Dialect } from '../input/dialect.ts';
import { addCells, beginCells, isComment } from './parse-context.ts';
import type { ParseContext } from './parse-context.ts';
import { rejectRow } from './row-table.ts';
import type { RejectReason } from './reject-table.ts';
import { copiesOf, findOne, findThree, findTwo } from '../bytes/word-scan.ts';

/** Also of a value over more lines than one may have, and of one whose next quote has text after it. */
export const UNCLOSED: RejectReason = 'unclosed quote';
const QUOTES = copiesOf(QUOTE);
const NEWLINES = copiesOf(NEWLINE);

/** What is known of the record that was read last, beside its cells. */
interface RecordShape {
  columns: number;
  /** `\n` in quotes, and of them those of its last cell. */
  innerLines: number;
  cellLines: number;
  hasEscapes: boolean;
  /** Where the field begins that is not of the grammar, the quote at fault, and what is wrong. */
  fieldAt: number;
  faultAt: number;
  fault: RejectReason;
}

/**
 * Parses `chunk`, which begins and ends at record ends. Rewrites cells with `""` in place; rows are
 * slices of the chunk or, with a JSON value, of the arena.
 */
export function parseQuoted(context: ParseContext, chunk: Buffer): void {
  const { comment, rows } = context;
  const end = chunk.length;
  const view = beginCells(context, chunk);
  const hasComments = comment.length > 0;
  const shape = newRecordShape();
  let at = 0;
  while (at < end) {
    const start = at;
    const line = rows.lineCount + 1;
    if (hasComments && isComment(chunk, at, comment)) {
      at = lineEndOf(view, at, end);
      rows.lineCount++;
      continue;
    }
    const next = readRecord(context.cells, context.dialect, view, start, end, shape);
    if (next >= 0) {
      at = next;
      rows.lineCount += 1 + shape.innerLines;
      const reason = addRecord(context, chunk, view, shape);
      if (reason !== '') rejectRow(rows, start, contentEnd(chunk, at), line, reason);
      else if (shape.innerLines > 0) rows.spanningCount++;
    } else {
      at = lineEndOf(view, shape.fieldAt, end);
      rows.lineCount += countLines(chunk, start, at);
      rejectRow(rows, start, contentEnd(chunk, at), line, shape.fault, shape.faultAt);
    }
  }
}

function newRecordShape(): RecordShape {
  return {
    columns: 0,
    innerLines: 0,
    cellLines: 0,
    hasEscapes: false,
    fieldAt: 0,
    faultAt: 0,
    fault: '',
  };
}

/** After the next line end; `end` without one. */
function lineEndOf(view: DataView, at: number, end: number): number {
  return Math.min(end, findOne(view, at, end, NEWLINES) + 1);
}

/**
 * Reads one record into `cells` and `shape`. Returns the offset after it and its line end, or -1 where
 * it is not of the grammar. Cells beyond the length of `cells` are counted alone.
 */
function readRecord(
  cells: Uint32Array,
  dialect: Pick<Dialect, 'delimiter' | 'trims' | 'linesPerValueMax'>,
  view: DataView,
  start: number,
  end: number,
  shape: RecordShape,
): number {
  const { delimiter, linesPerValueMax, trims } = dialect;
  const delimiters = copiesOf(delimiter);
  shape.columns = 0;
  shape.innerLines = 0;
  shape.hasEscapes = false;
  for (let at = start; ;) {
    if (trims) at = skipBlanks(view, at, end, delimiter);
    const isQuoted = at < end && view.getUint8(at) === QUOTE;
    const cellStart = isQuoted ? at + 1 : at;
    shape.fieldAt = at;
    let cellEnd = isQuoted
      ? closeOfCell(view, cellStart, end, linesPerValueMax, shape)
      : findThree(view, at, end, delimiters, NEWLINES, QUOTES);
    if (cellEnd < 0) return -1;
    at = isQuoted ? cellEnd + 1 : cellEnd;
    if (trims && isQuoted) at = skipBlanks(view, at, end, delimiter);
    const byte = at < end ? view.getUint8(at) : NEWLINE;
    if (byte === NEWLINE && !isQuoted && at < end && at > cellStart) {
      if (view.getUint8(at - 1) === CARRIAGE_RETURN) cellEnd--;
    }
    if (trims && !isQuoted) cellEnd = trimmedEnd(view, cellStart, cellEnd, delimiter);
    // Stores beyond the last column fall outside the array and vanish; the count tells.
    cells[shape.columns * 2] = cellStart;
    cells[shape.columns * 2 + 1] = cellEnd;
    shape.columns++;
    if (byte === NEWLINE) return Math.min(end, at + 1);
    if (byte !== delimiter) return lineEndBehind(view, at, end, isQuoted, shape);
    at++;
  }
}

function skipBlanks(view: DataView, from: number, end: number, delimiter: number): number {
  let at = from;
  while (at < end && isBlank(view.getUint8(at), delimiter)) at++;
  return at;
}

/** The end of the cell `[start, end)` without the blanks at its end. */
export function trimmedEnd(view: DataView, start: number, end: number, delimiter: number): number {
  let at = end;
  while (at > start && isBlank(view.getUint8(at - 1), delimiter)) at--;
  return at;
}

/**
 * The offset of the closing quote of the cell whose content begins at `from`; -1 without one, or with
 * more than `linesMax` line ends before it.
 */
function closeOfCell(
  view: DataView,
  from: number,
  end: number,
  linesMax: number,
  shape: RecordShape,
): number {
  let at = from;
  let lines = 0;
  for (;;) {
    at = findTwo(view, at, end, QUOTES, NEWLINES);
    if (at === end) return faultOf(shape, from - 1, UNCLOSED);
    if (view.getUint8(at) === NEWLINE) {
      if (++lines > linesMax) return faultOf(shape, from - 1, UNCLOSED);
      at++;
      continue;
    }
    if (at + 1 === end || view.getUint8(at + 1) !== QUOTE) break;
    shape.hasEscapes = true;
    at += 2;
  }
  shape.innerLines += lines;
  shape.cellLines = lines;
  return at - from + 1 < QUOTED_BYTES_MAX ? at : faultOf(shape, from - 1, UNCLOSED);
}

/** Behind `\r\n` at `at`, where a quoted cell has ended; -1, and the fault, for anything else. */
function lineEndBehind(
  view: DataView,
  at: number,
  end: number,
  isQuoted: boolean,
  shape: RecordShape,
): number {
  if (!isQuoted) return faultOf(shape, at, 'quote inside an unquoted field');
  const isReturn = view.getUint8(at) === CARRIAGE_RETURN;
  if (isReturn && at + 1 < end && view.getUint8(at + 1) === NEWLINE) return at + 2;
  // Over several lines it is rather the opening quote that is at fault.
  if (shape.cellLines > 0) return faultOf(shape, shape.fieldAt, UNCLOSED);
  return faultOf(shape, at - 1, 'text after a closing quote');
}

function faultOf(shape: RecordShape, at: number, fault: RejectReason): number {
  shape.faultAt = at;
  shape.fault = fault;
  return -1;
}

/** Adds the record as a row. Returns '', or why it is refused. */
function addRecord(
  context: ParseContext,
  chunk: Buffer,
  view: DataView,
  shape: RecordShape,
): RejectReason {
  const { cells, dialect } = context;
  const { columns, hasEscapes } = shape;
  // csv-parse, too, gives one empty cell for a blank line and for `""`; nobody can mean it as a row.
  if (columns === 1 && cells[0] === cells[1]) return '';
  if (hasEscapes && columns === dialect.columns.length) unescapeRow(context, chunk, view);
  return addCells(context, chunk, columns);
}

/** Unescapes the cells that matter. A row that is refused after that is shown from the input. */
function unescapeRow(context: ParseContext, chunk: Buffer, view: DataView): void {
  const { cells, dialect } = context;
  const { columns, keyColumn, valueColumn } = dialect;
  for (let column = 0; column < columns.length; column++) {
    const isWanted = column === keyColumn || column === valueColumn;
    if (!isWanted && valueColumn !== VALUE_IS_JSON) continue;
    const end = cells[column * 2 + 1] as number;
    const first = findOne(view, cells[column * 2] as number, end, QUOTES);
    cells[column * 2 + 1] = unescape(chunk, first, end);
  }
}

/** Moves `bytes[start, end)` together, one quote for each `""`; returns the new end. */
function unescape(bytes: Buffer, start: number, end: number): number {
  let to = start;
  for (let from = start; from < end; from++) {
    const byte = bytes[from] as number;
    bytes[to++] = byte;
    if (byte === QUOTE) from++;
  }
  return to;
}

/** The end of the record that ends at `end`, without its `\n`. */
function contentEnd(chunk: Buffer, end: number): number {
  return chunk[end - 1] === NEWLINE ? end - 1 : end;
}

function countLines(chunk: Buffer, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at++) if (chunk[at] === NEWLINE) count++;
  return chunk[end - 1] === NEWLINE ? count : count + 1;
}
