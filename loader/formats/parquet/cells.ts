// The cells of a column that is not repeated, a page at a time, in the form that rows are made of:
//
//     bytes    ... o n e ... t w o ...       the page itself, the dictionary, or text made of its values
//     starts   [  3       9   ]
//     ends     [  6       12  ]              a null ends before it starts
//
// Strings of a PLAIN page are not copied: their places in the page are all that is noted.

import { isAscii } from 'node:buffer';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
import { readPlain } from 'hyparquet/src/plain.js';
import { newGrowableBuffer, reserve } from '../../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../../bytes/growable-buffer.ts';
import { hold } from '../../bytes/memory-budget.ts';
import type { HeldMemory } from '../../bytes/memory-budget.ts';
import { jsonOf } from './column-type.ts';
import type { ColumnType, Physical } from './column-type.ts';
import { decodePage, isDictionaryPage, readRawPage, rowsOfPage, unpacked } from './pages.ts';
import type { Leaf, LeafChunk, RawPage } from './pages.ts';

/** Memory of a cell: two offsets, a level, an index. */
const CELL_BYTES = 16;

interface Cells {
  bytes: Uint8Array;
  /** Whether all of `bytes` is ASCII. Only for text that becomes JSON. */
  isAscii: boolean;
  view: DataView;
  starts: Uint32Array;
  ends: Uint32Array;
  count: number;
}

/** Reads the pages of one column chunk in turn. */
export interface CellReader extends Cells {
  readonly leaf: Leaf;
  readonly chunk: LeafChunk;
  readonly source: Uint8Array;
  readonly type: ColumnType;
  /** Whether cells are JSON already; text is escaped when the row is made. */
  readonly isJson: boolean;
  readonly held: HeldMemory;
  /** Offset of the next page in `source`. */
  at: number;
  dictionary: Cells | undefined;
  /** Row of the group after the present page, and cells of it that have been taken. */
  row: number;
  taken: number;
  /** Memory that is charged to the budget. */
  charged: number;
  readonly text: GrowableBuffer;
}

const EMPTY = new Uint32Array(0);

export function newCellReader(
  source: Uint8Array,
  chunk: LeafChunk,
  leaf: Leaf,
  type: ColumnType,
  isJson: boolean,
  held: HeldMemory,
): CellReader {
  return {
    source,
    chunk,
    leaf,
    type,
    isJson,
    held,
    ...emptyCells(),
    at: chunk.start,
    dictionary: undefined,
    row: chunk.firstRow,
    taken: 0,
    charged: 0,
    text: newGrowableBuffer(held.budget, TEXT_BYTES_FREE),
  };
}

function emptyCells(): Cells {
  const bytes = new Uint8Array(0);
  const view = new DataView(bytes.buffer);
  return { bytes, isAscii: true, view, starts: EMPTY, ends: EMPTY, count: 0 };
}

/** Whether cells are the bytes of the file. */
function isAsIs({ isJson, type }: CellReader): boolean {
  return type.kind === 'text' || (type.kind === 'bytes' && !isJson);
}

/** Reads pages up to the one with row `row` of the group, and goes to that. Throws an Error. */
export function goToRow(reader: CellReader, row: number): void {
  while (row >= reader.row) nextPage(reader, row);
  reader.taken = reader.count - (reader.row - row);
}

/** Reads the next data page, unless all its rows are before `fromRow`. */
function nextPage(reader: CellReader, fromRow: number): void {
  const { chunk, source } = reader;
  if (reader.at >= chunk.end) throw new Error('its pages have fewer rows than its row group');
  const page = readRawPage(source, reader.at, chunk.end);
  reader.at = page.next;
  if (isDictionaryPage(page)) {
    reader.dictionary = dictionaryOf(page, reader);
    return;
  }
  const rows = rowsOfPage(page);
  if (rows === undefined) return;
  reader.row += rows;
  reader.taken = 0;
  if (reader.row <= fromRow) {
    reader.count = 0;
    return;
  }
  charge(reader, page.header.uncompressed_page_size + rows * CELL_BYTES);
  if (isPlainBytes(page, reader)) readPlainBytes(page, reader);
  else readValues(page, reader);
}

function charge(reader: CellReader, byteCount: number): void {
  if (byteCount <= reader.charged) return;
  hold(reader.held, byteCount - reader.charged);
  reader.charged = byteCount;
}

/** Returns the memory of the rendered text, which is charged as it grows, to the budget. */
export function closeCellReader({ held, text }: CellReader): void {
  if (held.budget !== undefined) held.budget.bytes -= text.bytes.length - TEXT_BYTES_FREE;
}

/** The initial size of the buffer of rendered text. */
const TEXT_BYTES_FREE = 4096;

function isPlainBytes({ header }: RawPage, reader: CellReader): boolean {
  const { decoder } = reader.leaf;
  const isPlain = header.type === 'DATA_PAGE' && header.data_page_header?.encoding === 'PLAIN';
  return isPlain && decoder.type === 'BYTE_ARRAY' && isAsIs(reader);
}

/** Strings of a page of version 1: levels, then length and bytes of each that is not null. */
function readPlainBytes(page: RawPage, reader: CellReader): void {
  const { leaf } = reader;
  const bytes = unpacked(page.bytes, page.header, leaf.decoder.codec);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = rowsOfPage(page) ?? 0;
  const position = { view, offset: 0 };
  let levels: Uint8Array | undefined;
  if (leaf.maxDefinition > 0) {
    levels = new Uint8Array(count);
    readRleBitPackedHybrid(position, 1, levels);
  }
  setCells(reader, bytes, view, count);
  const end = fillPlain(view, position.offset, levels, reader.starts, reader.ends, count);
  if (end > bytes.length) throw new Error('a string reaches beyond its page');
}

/** A function for the loop alone. Returns the offset after the last string. */
function fillPlain(
  view: DataView,
  from: number,
  levels: Uint8Array | undefined,
  starts: Uint32Array,
  ends: Uint32Array,
  count: number,
): number {
  let at = from;
  for (let row = 0; row < count; row++) {
    if (levels !== undefined && levels[row] === 0) {
      starts[row] = 1;
      ends[row] = 0;
      continue;
    }
    const length = view.getUint32(at, true);
    starts[row] = at + 4;
    at += 4 + length;
    ends[row] = at;
  }
  return at;
}

function setCells(reader: CellReader, bytes: Uint8Array, view: DataView, count: number): void {
  if (reader.starts.length < count) {
    reader.starts = new Uint32Array(count);
    reader.ends = new Uint32Array(count);
  }
  // The text of rendered values is JSON.
  reader.isAscii = !reader.isJson || reader.type.kind !== 'text' || isAscii(bytes);
  reader.bytes = bytes;
  reader.view = view;
  reader.count = count;
}

/** Any other page. */
function readValues(page: RawPage, reader: CellReader): void {
  const { count, definitionLevels, isDictionary, values } = decodePage(page, reader.leaf);
  const max = reader.leaf.maxDefinition;
  const levels = definitionLevels?.length ? definitionLevels : undefined;
  let cells: Cells | undefined;
  if (isDictionary) {
    cells = reader.dictionary;
    if (cells === undefined) throw new Error('a page lacks its dictionary');
  } else {
    reader.text.length = 0;
    cells = cellsOf(values as ArrayLike<Physical>, reader, reader.text);
  }
  setCells(reader, cells.bytes, cells.view, count);
  const { ends, starts } = reader;
  for (let row = 0, next = 0; row < count; row++) {
    if (levels !== undefined && levels[row] !== max) {
      starts[row] = 1;
      ends[row] = 0;
      continue;
    }
    const index = isDictionary ? (values[next] as number) : next;
    next++;
    if (!(index < cells.count)) throw new Error('a value is not in its dictionary');
    starts[row] = cells.starts[index] as number;
    ends[row] = cells.ends[index] as number;
  }
}

function dictionaryOf(page: RawPage, reader: CellReader): Cells {
  const { decoder } = reader.leaf;
  const count = page.header.dictionary_page_header?.num_values ?? 0;
  const bytes = unpacked(page.bytes, page.header, decoder.codec);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  charge(reader, reader.charged + bytes.length + count * CELL_BYTES);
  if (decoder.type === 'BYTE_ARRAY' && isAsIs(reader)) {
    const starts = new Uint32Array(count);
    const ends = new Uint32Array(count);
    const end = fillPlain(view, 0, undefined, starts, ends, count);
    if (end > bytes.length) throw new Error('a string reaches beyond its dictionary');
    return { bytes, isAscii: false, view, starts, ends, count };
  }
  const { type_length: length } = decoder.element;
  const values = readPlain({ view, offset: 0 }, decoder.type, count, length);
  // Kept as long as the reader, so not in the text of its pages.
  const text = newGrowableBuffer(undefined, TEXT_BYTES_FREE);
  return cellsOf(values as ArrayLike<Physical>, reader, text);
}

/** Values as cells of `text`. */
function cellsOf(values: ArrayLike<Physical>, reader: CellReader, text: GrowableBuffer): Cells {
  const count = values.length;
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  const asIs = isAsIs(reader);
  for (let index = 0; index < count; index++) {
    starts[index] = text.length;
    const value = values[index] as Physical;
    if (asIs) appendValue(text, value as Uint8Array);
    else appendText(text, textOf(value, reader));
    ends[index] = text.length;
  }
  const bytes = text.bytes;
  return {
    bytes,
    isAscii: false,
    starts,
    ends,
    count,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  };
}

function textOf(value: Physical, { isJson, type }: CellReader): string {
  if (isJson) return jsonOf(value, type) ?? '';
  return type.kind === 'rendered' ? type.render(value) : '';
}

function appendValue(text: GrowableBuffer, value: Uint8Array): void {
  reserve(text, value.length);
  text.bytes.set(value, text.length);
  text.length += value.length;
}

/** ASCII. */
function appendText(text: GrowableBuffer, value: string): void {
  reserve(text, value.length);
  text.length += text.bytes.write(value, text.length, 'latin1');
}
