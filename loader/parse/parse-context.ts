// A worker's state for one dialect, kept from chunk to chunk, and the conversion of a record's
// cells to a row. Both parsers of delimited input use it, so they cannot differ.

import { isUtf8 } from 'node:buffer';
import type { MemoryBudget } from '../bytes/memory-budget.ts';
import { appendByte, appendBytes, newGrowableBuffer } from '../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../bytes/growable-buffer.ts';
import { COMMA, VALUE_IS_JSON } from '../input/dialect.ts';
import type { Dialect } from '../input/dialect.ts';
import { newJsonLine } from './json/json-members.ts';
import { BRACE_CLOSE, BRACE_OPEN } from './json/json-scan.ts';
import { appendJsonString } from './json/json-text.ts';
import type { JsonLine } from './json/json-members.ts';
import { addRow, newRowTable } from './row-table.ts';
import { wordsOf } from '../bytes/word-scan.ts';
import type { RejectReason } from './reject-table.ts';
import type { RowTable } from './row-table.ts';

export interface ParseContext {
  readonly dialect: Dialect;
  /** Prefix of comment lines; empty for none. */
  readonly comment: Buffer;
  readonly rows: RowTable;
  /** Keys and values that are not slices of the chunk. */
  readonly assembled: GrowableBuffer;
  /** Start and end of each cell of the present record. */
  readonly cells: Uint32Array;
  /** `"name":` for each column, if the value is a JSON object. */
  readonly memberHeads: readonly Buffer[];
  /** A word view of the present chunk, and, if values are JSON, whether all of it is UTF-8. */
  view: DataView;
  isText: boolean;
  /** The values of the folders of the present file; empty if its dialect has none. */
  folderCells: readonly FolderCell[];
  /** The reader of jsonl lines; undefined for other formats. */
  readonly line: JsonLine | undefined;
}

/** A value of a folder's name, as it is and as JSON; undefined for none. */
interface FolderCell {
  readonly text: Buffer | undefined;
  readonly json: Buffer;
}

/** Must be called before the rows of a file with folder columns are parsed. */
export function setFolderCells(context: ParseContext, values: readonly (string | null)[]): void {
  context.folderCells = values.map((value) => ({
    text: value === null ? undefined : Buffer.from(value),
    json: Buffer.from(JSON.stringify(value)),
  }));
}

/** `budget`, if given, limits the memory of a chunk's rows. */
export function newParseContext(
  dialect: Dialect,
  shardCount: number,
  budget?: MemoryBudget,
): ParseContext {
  const isJson = dialect.valueColumn === VALUE_IS_JSON;
  return {
    dialect,
    comment: Buffer.from(dialect.comment, 'utf8'),
    rows: newRowTable(shardCount, budget),
    assembled: newGrowableBuffer(budget),
    cells: new Uint32Array(dialect.columns.length * 2),
    memberHeads: isJson
      ? [...dialect.columns, ...(dialect.folderColumns ?? [])].map((name) =>
          Buffer.from(`${JSON.stringify(name)}:`, 'utf8'),
        )
      : [],
    view: wordsOf(new Uint8Array(0)),
    isText: false,
    folderCells: [],
    line: dialect.members === undefined ? undefined : newJsonLine(dialect.members),
  };
}

/** Whether the line at `at` begins with `comment`. */
export function isComment(chunk: Buffer, at: number, comment: Buffer): boolean {
  for (let index = 0; index < comment.length; index++) {
    if (chunk[at + index] !== comment[index]) return false;
  }
  return true;
}

/** Must be called before the cells of a chunk are added. Returns its word view. */
export function beginCells(context: ParseContext, chunk: Buffer): DataView {
  context.view = wordsOf(chunk);
  context.isText = context.dialect.valueColumn === VALUE_IS_JSON && isUtf8(chunk);
  return context.view;
}

/**
 * Adds the record whose `columns` cells in the chunk `source` are in `context.cells` as a row: a
 * slice of the chunk or, with a JSON value, of the growable buffer. Returns '' or the reason for
 * rejecting it.
 */
export function addCells(context: ParseContext, source: Buffer, columns: number): RejectReason {
  const { cells, dialect, rows } = context;
  if (columns !== dialect.columns.length) return columnCountReason(columns, dialect.columns.length);
  if (dialect.valueColumn === VALUE_IS_JSON || context.folderCells.length > 0) {
    return addAssembled(context, source);
  }
  const keyAt = dialect.keyColumn * 2;
  const valueAt = dialect.valueColumn * 2;
  const keyStart = cells[keyAt] as number;
  const keyEnd = cells[keyAt + 1] as number;
  const valueStart = cells[valueAt] as number;
  return addRow(rows, source, keyStart, keyEnd, valueStart, cells[valueAt + 1] as number);
}

function columnCountReason(found: number, expected: number): RejectReason {
  return `${found} column${found === 1 ? '' : 's'} instead of ${expected}`;
}

/**
 * Copies the key and the value, or assembles the object, in the growable buffer, which is unchanged
 * if the row is rejected.
 */
function addAssembled(context: ParseContext, source: Buffer): RejectReason {
  const { assembled, dialect, rows } = context;
  const before = assembled.length;
  appendCell(context, source, dialect.keyColumn);
  const keyEnd = assembled.length;
  let reason: RejectReason = '';
  if (dialect.valueColumn === VALUE_IS_JSON) reason = appendJsonObject(context, source);
  else appendCell(context, source, dialect.valueColumn);
  if (reason === '')
    reason = addRow(rows, assembled.bytes, before, keyEnd, keyEnd, assembled.length);
  if (reason !== '') assembled.length = before;
  return reason;
}

function appendCell(
  { assembled, cells, dialect, folderCells }: ParseContext,
  source: Buffer,
  column: number,
): void {
  const inFolder = column - dialect.columns.length;
  if (inFolder >= 0) appendFolderCell(assembled, folderCells[inFolder]?.text);
  else {
    appendBytes(assembled, source, cells[column * 2] as number, cells[column * 2 + 1] as number);
  }
}

/** Appends the text of a folder's value; nothing for none. Returns whether there is one. */
export function appendFolderCell(buffer: GrowableBuffer, text: Buffer | undefined): boolean {
  if (text !== undefined) appendBytes(buffer, text, 0, text.length);
  return text !== undefined;
}

/** `{"name":"text",...}` of all columns but the key's, in the file's order, without spaces. */
function appendJsonObject(context: ParseContext, source: Buffer): RejectReason {
  const { assembled, cells, dialect, folderCells, memberHeads } = context;
  appendByte(assembled, BRACE_OPEN);
  let isFirst = true;
  for (let column = 0; column < memberHeads.length; column++) {
    if (column === dialect.keyColumn) continue;
    if (!isFirst) appendByte(assembled, COMMA);
    isFirst = false;
    const head = memberHeads[column] as Buffer;
    appendBytes(assembled, head, 0, head.length);
    if (column >= dialect.columns.length) {
      appendFolderCell(assembled, folderCells[column - dialect.columns.length]?.json);
      continue;
    }
    const start = cells[column * 2] as number;
    const end = cells[column * 2 + 1] as number;
    if (!context.isText && !isUtf8(source.subarray(start, end))) {
      return `column ${column + 1} is not UTF-8, which a JSON value must be`;
    }
    appendJsonString(assembled, source, context.view, start, end);
  }
  appendByte(assembled, BRACE_CLOSE);
  return '';
}
