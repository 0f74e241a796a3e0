// The parser of csv chunks with quotes: RFC 4180, strictly.
//
//     record = cell *( "," cell ) [CR] LF          the last one of a file may lack its line end
//     cell   = *( any byte but " , LF )  |  " *( any byte but "  |  "" ) "
//
//     "a,b","x ""y"" z"\r\n         cells  a,b   and   x ""y"" z   as in the chunk;
//      ^ ^   ^         ^            the second one is unescaped in place before it becomes a row:
//                                   x "y" z"" z      it only becomes shorter
//
// Text that violates this grammar is also refused by csv-parse (a property test). It is rejected
// here with the offset of the faulty quote. Such a record ends at the first line end after the
// start of the faulty field (the same rule as in csv-records.ts), so the rows after it are read
// normally.
//
// Hot loop: plain functions over numbers and bytes; nothing is allocated for a good row.

import { QUOTED_BYTES_MAX, isBlank } from './csv-records.ts';
import { CARRIAGE_RETURN, NEWLINE, QUOTE, VALUE_IS_JSON } from '../../input/dialect.ts';
import type { Dialect } from '../../input/dialect.ts';
import { countNewlines } from '../../input/text.ts';
import { addCells, beginCells, isComment } from '../parse-context.ts';
import type { ParseContext } from '../parse-context.ts';
import { rejectRow } from '../row-table.ts';
import type { RejectReason } from '../reject-table.ts';
import {
  broadcastByte,
  findByte,
  findAnyByte,
  findEitherByte,
  wordsOf,
} from '../../bytes/word-scan.ts';

/**
 * Also for a value with more lines than allowed, and for one whose next quote has text after it.
 */
export const UNCLOSED: RejectReason = 'unclosed quote';
const QUOTES = broadcastByte(QUOTE);
const NEWLINES = broadcastByte(NEWLINE);
const COLUMNS_USUAL = 64;

/** Properties of the last record, beside its cells. */
interface RecordShape {
  columns: number;
  /** `\n` in quotes: of the whole record, and of its last cell. */
  innerLines: number;
  cellLines: number;
  hasEscapes: boolean;
  /** The start of the faulty field, the faulty quote, and the reason. */
  fieldAt: number;
  faultAt: number;
  fault: RejectReason;
}

/**
 * Parses `chunk`, which begins and ends at record ends. Unescapes cells with `""` in place; rows
 * are slices of the chunk or, with a JSON value, of the growable buffer.
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

/**
 * The unquoted cells of the record in `bytes`, as `parseQuoted` reads them; for a malformed record,
 * the fault and its offset.
 */
export function recordCells(
  bytes: Buffer,
  rules: Pick<Dialect, 'delimiter' | 'trims' | 'linesPerValueMax'>,
): readonly string[] | { readonly fault: RejectReason; readonly faultAt: number } {
  const view = wordsOf(bytes);
  const shape = newRecordShape();
  let cells = new Uint32Array(2 * COLUMNS_USUAL);
  for (;;) {
    if (readRecord(cells, rules, view, 0, bytes.length, shape) < 0) return shape;
    if (shape.columns * 2 <= cells.length) break;
    // Cells beyond the array were only counted.
    cells = new Uint32Array(shape.columns * 2);
  }
  return Array.from({ length: shape.columns }, (_, column) => {
    const start = cells[column * 2] as number;
    const text = bytes.toString('utf8', start, cells[column * 2 + 1]);
    return bytes[start - 1] === QUOTE ? text.replaceAll('""', '"') : text;
  });
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

/** The offset after the next line end; `end` if there is none. */
function lineEndOf(view: DataView, at: number, end: number): number {
  return Math.min(end, findByte(view, at, end, NEWLINES) + 1);
}

/**
 * Reads one record into `cells` and `shape`. Returns the offset after its line end, or -1 if it is
 * malformed. Cells beyond the length of `cells` are only counted.
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
  const delimiters = broadcastByte(delimiter);
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
      : findAnyByte(view, at, end, delimiters, NEWLINES, QUOTES);
    if (cellEnd < 0) return -1;
    at = isQuoted ? cellEnd + 1 : cellEnd;
    if (trims && isQuoted) at = skipBlanks(view, at, end, delimiter);
    const byte = at < end ? view.getUint8(at) : NEWLINE;
    if (byte === NEWLINE && !isQuoted && at < end && at > cellStart) {
      if (view.getUint8(at - 1) === CARRIAGE_RETURN) cellEnd--;
    }
    if (trims && !isQuoted) cellEnd = trimmedEnd(view, cellStart, cellEnd, delimiter);
    // Stores beyond the last column fall outside the array and have no effect; the count reveals
    // them.
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

/** The end of the cell `[start, end)` without trailing blanks. */
export function trimmedEnd(view: DataView, start: number, end: number, delimiter: number): number {
  let at = end;
  while (at > start && isBlank(view.getUint8(at - 1), delimiter)) at--;
  return at;
}

/**
 * The offset of the closing quote of the cell whose content begins at `from`; -1 if there is none,
 * or with more than `linesMax` line ends before it.
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
    at = findEitherByte(view, at, end, QUOTES, NEWLINES);
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

/**
 * The offset after `\r\n` at `at`, where a quoted cell has ended; -1, and the fault, for anything
 * else.
 */
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
  // Over several lines, the opening quote is more likely to be wrong.
  if (shape.cellLines > 0) return faultOf(shape, shape.fieldAt, UNCLOSED);
  return faultOf(shape, at - 1, 'text after a closing quote');
}

function faultOf(shape: RecordShape, at: number, fault: RejectReason): number {
  shape.faultAt = at;
  shape.fault = fault;
  return -1;
}

/** Adds the record as a row. Returns '' or the reason for rejecting it. */
function addRecord(
  context: ParseContext,
  chunk: Buffer,
  view: DataView,
  shape: RecordShape,
): RejectReason {
  const { cells, dialect } = context;
  const { columns, hasEscapes } = shape;
  // csv-parse, too, returns one empty cell for a blank line and for `""`; nobody means that as a
  // row.
  if (columns === 1 && cells[0] === cells[1]) return '';
  if (hasEscapes && columns === dialect.columns.length) unescapeRow(context, chunk, view);
  return addCells(context, chunk, columns);
}

/** Unescapes the relevant cells. A row that is rejected later is shown from the input. */
function unescapeRow(context: ParseContext, chunk: Buffer, view: DataView): void {
  const { cells, dialect } = context;
  const { columns, keyColumn, valueColumn } = dialect;
  for (let column = 0; column < columns.length; column++) {
    const isWanted = column === keyColumn || column === valueColumn;
    if (!isWanted && valueColumn !== VALUE_IS_JSON) continue;
    const end = cells[column * 2 + 1] as number;
    const first = findByte(view, cells[column * 2] as number, end, QUOTES);
    cells[column * 2 + 1] = unescape(chunk, first, end);
  }
}

/** Compacts `bytes[start, end)`, with one quote for each `""`; returns the new end. */
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
  const count = countNewlines(chunk, start, end);
  return chunk[end - 1] === NEWLINE ? count : count + 1;
}
