// What a worker keeps from chunk to chunk for one dialect, and how the cells of a record become a
// row. Both parsers of delimited input end here, so they cannot differ.

import { isUtf8 } from 'node:buffer';
import type { Allowance } from '../bytes/allowance.ts';
import { appendByte, appendBytes, newArena } from '../bytes/arena.ts';
import type { Arena } from '../bytes/arena.ts';
import { VALUE_IS_JSON } from '../input/dialect.ts';
import type { Dialect } from '../input/dialect.ts';
import { newJsonLine } from './json-members.ts';
import { appendJsonString } from './json-text.ts';
import type { JsonLine } from './json-members.ts';
import { addRow, newRowTable } from './row-table.ts';
import { wordsOf } from '../bytes/word-scan.ts';
import type { RejectReason } from './reject-table.ts';
import type { RowTable } from './row-table.ts';

const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const JSON_COMMA = 0x2c;

export interface ParseContext {
  readonly dialect: Dialect;
  /** What comment lines begin with; empty for none. */
  readonly comment: Buffer;
  readonly rows: RowTable;
  /** Keys and values that are not slices of the chunk. */
  readonly arena: Arena;
  /** Start and end of each cell of the present record. */
  readonly cells: Uint32Array;
  /** `"name":` for each column, where the value is a JSON object. */
  readonly memberHeads: readonly Buffer[];
  /** The words of the present chunk, and, where values are JSON, whether all of it is UTF-8. */
  view: DataView;
  isText: boolean;
  /** What reads the lines of jsonl; undefined for the other formats. */
  readonly line: JsonLine | undefined;
}

/** `allowance`, where there is one, bounds what the rows of a chunk take. */
export function newParseContext(
  dialect: Dialect,
  shardCount: number,
  allowance?: Allowance,
): ParseContext {
  const isJson = dialect.valueColumn === VALUE_IS_JSON;
  return {
    dialect,
    comment: Buffer.from(dialect.comment, 'utf8'),
    rows: newRowTable(shardCount, allowance),
    arena: newArena(allowance),
    cells: new Uint32Array(dialect.columns.length * 2),
    memberHeads: isJson
      ? dialect.columns.map((name) => Buffer.from(`${JSON.stringify(name)}:`, 'utf8'))
      : [],
    view: wordsOf(new Uint8Array(0)),
    isText: false,
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

/** To be called before the cells of a chunk are added. Returns its words. */
export function beginCells(context: ParseContext, chunk: Buffer): DataView {
  context.view = wordsOf(chunk);
  context.isText = context.dialect.valueColumn === VALUE_IS_JSON && isUtf8(chunk);
  return context.view;
}

/**
 * Adds the record whose `columns` cells lie in the chunk `source` at `context.cells` as a row: a slice
 * of it or, with a JSON value, of the arena. Returns '', or why it is refused.
 */
export function addCells(context: ParseContext, source: Buffer, columns: number): RejectReason {
  const { cells, dialect, rows } = context;
  if (columns !== dialect.columns.length) return columnCountReason(columns, dialect.columns.length);
  if (dialect.valueColumn === VALUE_IS_JSON) return addJsonRow(context, source);
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

/** Copies the key and makes the object in the arena; it is as before where the row is refused. */
function addJsonRow(context: ParseContext, source: Buffer): RejectReason {
  const { arena, cells, dialect, rows } = context;
  const before = arena.length;
  const keyAt = dialect.keyColumn * 2;
  appendBytes(arena, source, cells[keyAt] as number, cells[keyAt + 1] as number);
  const keyEnd = arena.length;
  let reason = appendJsonObject(context, source);
  if (reason === '') reason = addRow(rows, arena.bytes, before, keyEnd, keyEnd, arena.length);
  if (reason !== '') arena.length = before;
  return reason;
}

/** `{"name":"text",...}` of all columns but the key's, in the file's order, without spaces. */
function appendJsonObject(context: ParseContext, source: Buffer): RejectReason {
  const { arena, cells, dialect, memberHeads } = context;
  appendByte(arena, BRACE_OPEN);
  let isFirst = true;
  for (let column = 0; column < memberHeads.length; column++) {
    if (column === dialect.keyColumn) continue;
    if (!isFirst) appendByte(arena, JSON_COMMA);
    isFirst = false;
    const head = memberHeads[column] as Buffer;
    appendBytes(arena, head, 0, head.length);
    const start = cells[column * 2] as number;
    const end = cells[column * 2 + 1] as number;
    if (!context.isText && !isUtf8(source.subarray(start, end))) {
      return `column ${column + 1} is not UTF-8, which a JSON value must be`;
    }
    appendJsonString(arena, source, context.view, start, end);
  }
  appendByte(arena, BRACE_CLOSE);
  return '';
}
