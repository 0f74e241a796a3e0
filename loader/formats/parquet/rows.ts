// Parses the rows of a piece of a Parquet file: the columns of key and value side by side, a page
// of each at a time.
//
//     layout   columns: which are read, with their schema
//              spans: rows of a row group, and where its pages are in the bytes of the piece
//
// Hot loops: plain functions over numbers and bytes; nothing is allocated for a row of flat
// columns.

import { isUtf8 } from 'node:buffer';
import type { SchemaTree } from 'hyparquet';
import { copyWords } from '../../../segment/record.ts';
import { appendByte, appendBytes, reserve } from '../../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../../bytes/growable-buffer.ts';
import { releaseHeld } from '../../bytes/memory-budget.ts';
import type { HeldMemory } from '../../bytes/memory-budget.ts';
import { COMMA, VALUE_IS_JSON } from '../../input/dialect.ts';
import type { Dialect } from '../../input/dialect.ts';
import { BRACE_CLOSE, BRACE_OPEN } from '../../parse/json/json-scan.ts';
import { appendJsonString } from '../../parse/json/json-text.ts';
import { appendFolderCell } from '../../parse/parse-context.ts';
import type { ParseContext } from '../../parse/parse-context.ts';
import type { RejectReason } from '../../parse/reject-table.ts';
import { addRow, rejectRow } from '../../parse/row-table.ts';
import type { RowTable } from '../../parse/row-table.ts';
import type { Piece } from '../input-format.ts';
import { NULL_KEY } from '../numbered.ts';
import { closeCellReader, goToRow, newCellReader } from './cells.ts';
import type { CellReader } from './cells.ts';
import { columnType } from './column-type.ts';
import { nestedJson, readNested } from './nested.ts';
import { newLeaf, pageError } from './pages.ts';
import type { Leaf, LeafChunk } from './pages.ts';

/** A column that is read. */
export interface LayoutColumn {
  /** Its index in the columns of the dialect. */
  readonly column: number;
  readonly tree: SchemaTree;
  /** The paths of its leaves; one, of itself, for a flat column. */
  readonly leaves: readonly (readonly SchemaTree[])[];
  readonly isFlat: boolean;
}

/** Rows `[from, to)` of a row group. */
export interface Span {
  readonly group: number;
  readonly from: number;
  readonly to: number;
  /** Of all columns, leaf by leaf. */
  readonly chunks: readonly LeafChunk[];
}

/** Serialisable. */
export interface ParquetLayout {
  /** For messages. */
  readonly name: string;
  readonly columns: readonly LayoutColumn[];
  readonly spans: readonly Span[];
}

const NULL = Buffer.from('null');

/** A column of the present span: cells, or the JSON of nested values. */
export interface Source {
  readonly index: number;
  readonly name: string;
  readonly cells: CellReader | undefined;
  readonly nested: ReturnType<typeof readNested>;
  /** For a column of the file's path: the value, and as JSON. */
  readonly folder?: ParseContext['folderCells'][number];
}

/**
 * Called with the sources of a span, standing at row `row` of its group, and the number of rows to
 * take.
 */
export type TakeRows = (sources: readonly Source[], row: number, count: number) => void;

export function layoutOf({ rows }: Piece): ParquetLayout {
  return rows?.layout as ParquetLayout;
}

export function parseParquet(context: ParseContext, bytes: Buffer, piece: Piece): void {
  const { assembled, dialect, rows } = context;
  const { keyColumn, valueColumn } = dialect;
  const isObject = valueColumn === VALUE_IS_JSON;
  const folders = context.folderCells.map((folder, at): Source => ({
    index: dialect.columns.length + at,
    name: '',
    cells: undefined,
    nested: [],
    folder,
  }));
  // Rows of 0 bytes of a text have no number; here every row has.
  const take: TakeRows = (sources, row, count) => {
    const all = folders.length === 0 ? sources : [...sources, ...folders];
    const key = sourceOf(all, keyColumn);
    const value = isObject ? undefined : sourceOf(all, valueColumn);
    if (key.cells !== undefined && value?.cells !== undefined) {
      addPairs(rows, assembled, key.cells, value.cells, count);
    } else addAssembled(context, all, key, value, row, count);
  };
  forEachRun(
    dialect,
    bytes,
    piece,
    { budget: rows.budget, bytes: 0 },
    (at) => isObject && at !== keyColumn,
    take,
  );
  rows.source = assembled.bytes;
}

function sourceOf(sources: readonly Source[], column: number): Source {
  return sources.find(({ index }) => index === column) as Source;
}

/** Reads all spans of a piece, in runs of rows that are on one page of each column. */
export function forEachRun(
  dialect: Dialect,
  bytes: Buffer,
  piece: Piece,
  held: HeldMemory,
  isJson: (column: number) => boolean,
  take: TakeRows,
): void {
  const layout = layoutOf(piece);
  for (const span of layout.spans) {
    const where = `${layout.name}, row group ${span.group}`;
    const sources = openSpan(layout, span, bytes, held, isJson, dialect, where);
    try {
      let row = span.from;
      while (row < span.to) {
        let count = span.to - row;
        for (const { cells, name } of sources) {
          if (cells === undefined) continue;
          if (cells.taken === cells.count || row === span.from)
            inColumn(where, name, () => goToRow(cells, row));
          count = Math.min(count, cells.count - cells.taken);
        }
        take(sources, row, count);
        for (const { cells } of sources) if (cells !== undefined) cells.taken += count;
        row += count;
      }
    } finally {
      for (const { cells } of sources) if (cells !== undefined) closeCellReader(cells);
      releaseHeld(held);
    }
  }
}

function openSpan(
  { columns }: ParquetLayout,
  { chunks, to }: Span,
  bytes: Buffer,
  held: HeldMemory,
  isJson: (column: number) => boolean,
  dialect: Dialect,
  where: string,
): Source[] {
  let next = 0;
  return columns.map(({ column, isFlat, leaves, tree }) => {
    const name = dialect.columns[column] ?? '';
    const parts = leaves.map((path) => {
      const chunk = chunks[next++] as LeafChunk;
      return { chunk, leaf: newLeaf(path as SchemaTree[], chunk.codec) };
    });
    const [first] = parts as [{ chunk: LeafChunk; leaf: Leaf }];
    if (isFlat) {
      const type = columnType(tree.element);
      const cells = newCellReader(bytes, first.chunk, first.leaf, type, isJson(column), held);
      return { index: column, name, cells, nested: [] };
    }
    const nested = inColumn(where, name, () => {
      const values = readNested(bytes, tree, parts, held);
      if (values.length >= to) return values;
      throw new Error('its pages have fewer rows than its row group');
    });
    return { index: column, name, cells: undefined, nested };
  });
}

function inColumn<Result>(where: string, name: string, read: () => Result): Result {
  try {
    return read();
  } catch (thrown) {
    throw pageError(thrown, `${where}, column '${name}'`);
  }
}

/** Adds `count` rows of two flat columns. */
function addPairs(
  rows: RowTable,
  assembled: GrowableBuffer,
  key: CellReader,
  value: CellReader,
  count: number,
): void {
  reserve(assembled, cellBytes(key, count) + cellBytes(value, count));
  const to = new DataView(
    assembled.bytes.buffer,
    assembled.bytes.byteOffset,
    assembled.bytes.length,
  );
  copyPairs(rows, assembled, to, key, value, count);
}

function cellBytes({ ends, starts, taken }: CellReader, count: number): number {
  let byteCount = 0;
  for (let at = taken; at < taken + count; at++) {
    const size = (ends[at] as number) - (starts[at] as number);
    if (size > 0) byteCount += size;
  }
  return byteCount;
}

/** A function for the loop alone. There is room for all cells. */
function copyPairs(
  rows: RowTable,
  assembled: GrowableBuffer,
  to: DataView,
  key: CellReader,
  value: CellReader,
  count: number,
): void {
  const { bytes } = assembled;
  for (let index = 0; index < count; index++) {
    const offset = rows.lineCount++;
    const keyStart = assembled.length;
    const keyEnd = copyCell(bytes, to, keyStart, key, key.taken + index);
    if (keyEnd < 0) {
      rejectRow(rows, offset, offset + 1, rows.lineCount, NULL_KEY);
      continue;
    }
    // A null is stored as nothing, like the empty cell of csv.
    const copied = copyCell(bytes, to, keyEnd, value, value.taken + index);
    const valueEnd = copied < 0 ? keyEnd : copied;
    const reason = addRow(rows, bytes, keyStart, keyEnd, keyEnd, valueEnd);
    if (reason === '') assembled.length = valueEnd;
    else rejectRow(rows, offset, offset + 1, rows.lineCount, reason);
  }
}

/** Up to this size, copying words in JavaScript is faster than calling the engine's memmove. */
const COPY_WORDS_BYTES_MAX = 256;

/** Copies a cell to `at`; returns its end there, or -1 for a null. */
function copyCell(
  bytes: Buffer,
  to: DataView,
  at: number,
  cells: CellReader,
  index: number,
): number {
  const start = cells.starts[index] as number;
  const byteCount = (cells.ends[index] as number) - start;
  if (byteCount < 0) return -1;
  if (byteCount <= COPY_WORDS_BYTES_MAX) copyWords(to, at, cells.view, start, byteCount);
  else bytes.set(cells.bytes.subarray(start, start + byteCount), at);
  return at + byteCount;
}

/** Adds `count` rows whose values are objects, or whose key or value is nested. */
function addAssembled(
  context: ParseContext,
  sources: readonly Source[],
  key: Source,
  value: Source | undefined,
  row: number,
  count: number,
): void {
  const { assembled, rows } = context;
  for (let index = 0; index < count; index++) {
    const offset = rows.lineCount++;
    const start = assembled.length;
    let reason = appendKey(assembled, key, index);
    const keyEnd = assembled.length;
    if (reason === '') {
      if (value === undefined) reason = appendObject(context, sources, key.index, row, index);
      else reason = appendOnly(assembled, value, row, index);
    }
    if (reason === '') {
      reason = addRow(rows, assembled.bytes, start, keyEnd, keyEnd, assembled.length);
    }
    if (reason === '') continue;
    assembled.length = start;
    rejectRow(rows, offset, offset + 1, rows.lineCount, reason);
  }
}

/** Keys are flat (format.ts). */
function appendKey(buffer: GrowableBuffer, { cells, folder }: Source, index: number): RejectReason {
  if (folder !== undefined) return appendFolderCell(buffer, folder.text) ? '' : NULL_KEY;
  if (cells === undefined) return NULL_KEY;
  const start = cells.starts[cells.taken + index] as number;
  const end = cells.ends[cells.taken + index] as number;
  if (end < start) return NULL_KEY;
  appendBytes(buffer, cells.bytes, start, end);
  return '';
}

/** Appends the only value; nothing for a null. */
function appendOnly(
  buffer: GrowableBuffer,
  source: Source,
  row: number,
  index: number,
): RejectReason {
  const { cells, folder } = source;
  if (folder !== undefined) appendFolderCell(buffer, folder.text);
  else if (cells !== undefined) appendKey(buffer, source, index);
  else return appendNested(buffer, source, row + index);
  return '';
}

function appendNested(buffer: GrowableBuffer, source: Source, row: number): RejectReason {
  const value = source.nested[row];
  if (value === null || value === undefined) return '';
  const json = nestedJson(value);
  if (json === undefined) return notUtf8(source);
  appendUtf8(buffer, json);
  return '';
}

function notUtf8({ index }: Source): RejectReason {
  return `column ${index + 1} is not UTF-8, which a JSON value must be`;
}

/** `{"name":...}` of all columns but `left`. */
function appendObject(
  { assembled, memberHeads }: ParseContext,
  sources: readonly Source[],
  left: number,
  row: number,
  index: number,
): RejectReason {
  appendByte(assembled, BRACE_OPEN);
  let isFirst = true;
  for (const source of sources) {
    if (source.index === left) continue;
    if (!isFirst) appendByte(assembled, COMMA);
    isFirst = false;
    const head = memberHeads[source.index] as Buffer;
    appendBytes(assembled, head, 0, head.length);
    if (!appendMember(assembled, source, row, index)) {
      return notUtf8(source);
    }
  }
  appendByte(assembled, BRACE_CLOSE);
  return '';
}

/** Appends JSON; returns false for text that is not UTF-8. */
function appendMember(buffer: GrowableBuffer, source: Source, row: number, index: number): boolean {
  const { cells, folder, nested } = source;
  if (folder !== undefined) return appendFolderCell(buffer, folder.json);
  if (cells === undefined) {
    const json = nestedJson(nested[row + index] ?? null);
    if (json !== undefined) appendUtf8(buffer, json);
    return json !== undefined;
  }
  const { bytes, isAscii, type, view } = cells;
  const start = cells.starts[cells.taken + index] as number;
  const end = cells.ends[cells.taken + index] as number;
  if (end < start) appendBytes(buffer, NULL, 0, NULL.length);
  else if (type.kind !== 'text') appendBytes(buffer, bytes, start, end);
  else {
    if (!isAscii && !isUtf8(bytes.subarray(start, end))) return false;
    appendJsonString(buffer, bytes, view, start, end);
  }
  return true;
}

function appendUtf8(buffer: GrowableBuffer, text: string): void {
  const byteCount = Buffer.byteLength(text);
  reserve(buffer, byteCount);
  buffer.length += buffer.bytes.write(text, buffer.length);
}
