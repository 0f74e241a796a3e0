// Cuts a Parquet file into pieces: whole row groups, several small ones together, or rows of a
// large one.
//
//     row group   key    | dictionary | page 0 | page 1 | page 2 | page 3 |
//                 value  | dictionary | page 0   | page 1   | page 2      |
//                        rows 0 ...... half ..... all
//     piece 0     key    | dictionary | page 0 | page 1 |     value | dictionary | page 0   | page 1   |
//     piece 1     key    | dictionary | page 2 | page 3 |     value | dictionary | page 1   | page 2      |
//
// Offsets of pieces are in the bytes of the columns that are read, as if there were no others. A
// row group with nested columns stays whole: their pages do not say how many rows they have.

import { closeSync, fstatSync, openSync } from 'node:fs';
import type { ColumnMetaData, FileMetaData, RowGroup } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { readFully } from '../../bytes/file-window.ts';
import type { Piece } from '../input-format.ts';
import { columnRange, damaged } from './footer.ts';
import { canUnpack, isDictionaryPage, pageError, rowsOfPage } from './pages.ts';
import type { LeafChunk } from './pages.ts';
import type { LayoutColumn, ParquetLayout, Span } from './rows.ts';

/** Read for the header of a page; more if it has long statistics. */
const HEADER_BYTES = 4096;
const HEADER_BYTES_MAX = 16 * 1024 * 1024;

export interface FileToCut {
  readonly metadata: FileMetaData;
  readonly columns: readonly LayoutColumn[];
  /** For messages. */
  readonly name: string;
  readonly readPath: string;
}

/** A leaf of one row group in the file. */
interface LeafRange {
  readonly start: number;
  readonly end: number;
  readonly meta: ColumnMetaData;
  readonly path: string;
}

interface Page {
  readonly start: number;
  readonly end: number;
  /** Of the group; undefined for a dictionary. */
  readonly firstRow: number | undefined;
  readonly rows: number;
}

/** The bytes of the columns that are read. */
export function dataBytesOf(
  metadata: FileMetaData,
  columns: readonly LayoutColumn[],
  sizeBytes: number,
  name: string,
): number {
  return metadata.row_groups.reduce(
    (sum, group) => sum + bytesOf(leavesOf(group, columns, sizeBytes, name)),
    0,
  );
}

function bytesOf(leaves: readonly LeafRange[]): number {
  return leaves.reduce((sum, { end, start }) => sum + end - start, 0);
}

function leavesOf(
  group: RowGroup,
  columns: readonly LayoutColumn[],
  sizeBytes: number,
  name: string,
): LeafRange[] {
  const byPath = new Map(
    group.columns.map((chunk) => [JSON.stringify(chunk.meta_data?.path_in_schema), chunk]),
  );
  const leaves = columns.flatMap((column) => column.leaves);
  return leaves.map((leaf) => {
    const path = leaf.slice(1).map(({ element }) => element.name);
    // Without a name, an encrypted column.
    const chunk = byPath.get(JSON.stringify(path)) ?? byPath.get(undefined as never);
    if (chunk === undefined)
      throw damaged(name, `a row group lacks the column '${path.join('.')}'`);
    const range = columnRange(chunk, sizeBytes, name);
    refuseCodec(chunk.meta_data?.codec, path.join('.'), name);
    return { ...range, meta: chunk.meta_data as ColumnMetaData, path: path.join('.') };
  });
}

function refuseCodec(codec: string | undefined, path: string, name: string): void {
  if (codec !== undefined && canUnpack(codec)) return;
  throw new SteleError(
    'UNSUPPORTED',
    `The column '${shorten(path)}' of ${name} is compressed with ${codec ?? 'an unknown codec'}, which is not read; write it with snappy, gzip, zstd, brotli or lz4.`,
  );
}

export function* cutFile(file: FileToCut, chunkBytes: number): Generator<Piece, void, undefined> {
  const { columns, metadata, name, readPath } = file;
  const descriptor = openSync(readPath, 'r');
  try {
    const sizeBytes = fstatSync(descriptor).size;
    const maySplit = columns.every(({ isFlat }) => isFlat);
    let pending = newPending(0, 0);
    let start = 0;
    let firstRow = 0;
    for (const [index, group] of metadata.row_groups.entries()) {
      const rows = Number(group.num_rows);
      const leaves = leavesOf(group, columns, sizeBytes, name);
      const end = start + bytesOf(leaves);
      const wanted = maySplit ? Math.ceil((end - start) / chunkBytes) : 1;
      if (wanted > 1) {
        if (pending.count > 0) yield pieceOf(file, pending, start);
        const pages = leaves.map((leaf) => pagesOf(descriptor, leaf, rows, index, name));
        yield* splitGroup(file, { index, rows, start, end, firstRow }, leaves, pages, wanted);
        pending = newPending(end, firstRow + rows);
      } else if (rows > 0) {
        addGroup(pending, index, rows, leaves);
        if (end - pending.start >= chunkBytes) {
          yield pieceOf(file, pending, end);
          pending = newPending(end, firstRow + rows);
        }
      }
      start = end;
      firstRow += rows;
    }
    if (pending.count > 0) yield pieceOf(file, pending, start);
  } finally {
    closeSync(descriptor);
  }
}

/** A piece that is being put together. */
interface Pending {
  readonly start: number;
  readonly firstRow: number;
  count: number;
  byteCount: number;
  readonly parts: number[];
  readonly spans: Span[];
}

function newPending(start: number, firstRow: number): Pending {
  return { start, firstRow, count: 0, byteCount: 0, parts: [], spans: [] };
}

function addGroup(
  pending: Pending,
  group: number,
  rows: number,
  leaves: readonly LeafRange[],
): void {
  const chunks = leaves.map((leaf) => addPart(pending, leaf, 0, [leaf]));
  pending.spans.push({ group, from: 0, to: rows, chunks });
  pending.count += rows;
}

/** Adds ranges of the file, which become the pages of a leaf. */
function addPart(
  pending: Pending,
  { meta }: LeafRange,
  firstRow: number,
  ranges: readonly { readonly start: number; readonly end: number }[],
): LeafChunk {
  const start = pending.byteCount;
  for (const range of ranges) {
    pending.parts.push(range.start, range.end);
    pending.byteCount += range.end - range.start;
  }
  return { codec: meta.codec, start, end: pending.byteCount, firstRow };
}

function pieceOf({ columns, name }: FileToCut, pending: Pending, end: number): Piece {
  const { count, firstRow, parts, spans, start } = pending;
  const layout: ParquetLayout = { name, columns, spans };
  return { start, end, rows: { parts, first: firstRow, count, layout } };
}

function* splitGroup(
  file: FileToCut,
  group: {
    readonly index: number;
    readonly rows: number;
    readonly start: number;
    readonly end: number;
    readonly firstRow: number;
  },
  leaves: readonly LeafRange[],
  pages: readonly (readonly Page[])[],
  wanted: number,
): Generator<Piece, void, undefined> {
  const { end, firstRow, index, rows, start } = group;
  // A page that two pieces need is read and unpacked twice.
  const most = pages.reduce((max, all) => Math.max(max, all.length), 1);
  const count = Math.max(1, Math.min(wanted, most, rows));
  const cutAt = (part: number, size: number): number => Math.floor((size * part) / count);
  for (let part = 0; part < count; part++) {
    const [from, to] = [cutAt(part, rows), cutAt(part + 1, rows)];
    const pending = newPending(start + cutAt(part, end - start), firstRow + from);
    const chunks = leaves.map((leaf, at) => {
      const needed = (pages[at] as readonly Page[]).filter(
        (page) =>
          page.firstRow === undefined || (page.firstRow < to && page.firstRow + page.rows > from),
      );
      const first = needed.find((page) => page.firstRow !== undefined)?.firstRow ?? 0;
      return addPart(pending, leaf, first, needed);
    });
    pending.spans.push({ group: index, from, to, chunks });
    pending.count = to - from;
    yield pieceOf(file, pending, start + cutAt(part + 1, end - start));
  }
}

/** The pages of a flat leaf; only their headers are read. */
function pagesOf(
  file: number,
  { end, path, start }: LeafRange,
  rows: number,
  group: number,
  name: string,
): Page[] {
  const pages: Page[] = [];
  let row = 0;
  try {
    for (let at = start; at < end && row < rows;) {
      const { header, headerBytes } = headerAt(file, at, end);
      const next = at + headerBytes + header.compressed_page_size;
      if (!(next > at && next <= end)) throw new Error('a page reaches beyond its column');
      const page = { header, bytes: new Uint8Array(0), next };
      const count = rowsOfPage(page);
      if (isDictionaryPage(page))
        pages.push({ start: at, end: next, firstRow: undefined, rows: 0 });
      else if (count !== undefined) {
        pages.push({ start: at, end: next, firstRow: row, rows: count });
        row += count;
      }
      at = next;
    }
  } catch (thrown) {
    throw pageError(thrown, `${name}, row group ${group}, column '${path}'`);
  }
  return pages;
}

function headerAt(file: number, at: number, end: number) {
  for (let size = HEADER_BYTES; ; size *= 8) {
    const bytes = Buffer.allocUnsafe(Math.min(size, end - at));
    readFully(file, bytes, bytes.length, at);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const reader = { view, offset: 0 };
    try {
      const header = parquetHeader(reader);
      if (reader.offset <= bytes.length) return { header, headerBytes: reader.offset };
      throw new Error('a header reaches beyond its column');
    } catch (thrown) {
      if (bytes.length === end - at || size >= HEADER_BYTES_MAX) throw thrown;
    }
  }
}
