// Parquet: row groups of columns (https://parquet.apache.org/docs/file-format/). Only the columns
// of key and value are read. This file is loaded, with its libraries, when an input is of the
// format.

import type { FileMetaData, SchemaTree } from 'hyparquet';
import { parquetSchema } from 'hyparquet';
import { SteleError } from '../../../base/errors.ts';
import { listNames, shorten } from '../../../base/ids.ts';
import { VALUE_IS_JSON, columnsDialect } from '../../input/dialect.ts';
import type { Dialect } from '../../input/dialect.ts';
import { nameOf } from '../../input/inputs.ts';
import type { Piece } from '../input-format.ts';
import { numberedFormat } from '../numbered.ts';
import { statSync } from 'node:fs';
import { cutFile, dataBytesOf } from './cut.ts';
import { damaged, footerRange, readFooter } from './footer.ts';
import { rowsAsJson } from './rows-as-json.ts';
import { layoutOf, parseParquet } from './rows.ts';
import type { LayoutColumn } from './rows.ts';

export const parquetFormat = numberedFormat({
  parse: parseParquet,
  openingRange: ({ readPath, sizeBytes }) => footerRange(readPath, sizeBytes),
  rowsAsJson,
  placeMore: (piece, offset) => ({ rowGroup: groupOf(piece, offset) }),
  placeMoreText: (piece, offset) => ` (row group ${groupOf(piece, offset)})`,
  open({ format, path, readPath, sizeBytes }, flags, { name }) {
    const { crc, metadata } = readFooter(readPath, path, sizeBytes);
    const tree = schemaOf(metadata, name);
    const names = tree.children.map(({ element }) => element.name);
    const dialect = { ...columnsDialect('parquet', names, flags), ...flags.rules };
    const columns = columnsRead(tree, dialect, name);
    return {
      name,
      format,
      dialect,
      start: 0,
      startLine: 0,
      droppedMembers: [],
      part: { byteCount: dataBytesOf(metadata, columns, sizeBytes, name), contentCrc: crc },
    };
  },
  *cut(input, chunkBytes) {
    const name = nameOf(input);
    const { metadata } = readFooter(input.readPath, input.path, statSync(input.readPath).size);
    const columns = columnsRead(schemaOf(metadata, name), input.dialect, name);
    yield* cutFile({ metadata, columns, name, readPath: input.readPath }, chunkBytes);
  },
});

/** Row groups are counted from 0, as by other tools. */
function groupOf(piece: Piece, offset: number): number {
  let before = 0;
  for (const { from, group, to } of layoutOf(piece).spans) {
    before += to - from;
    if (offset < before) return group;
  }
  return 0;
}

function schemaOf(metadata: FileMetaData, name: string): SchemaTree {
  let tree: SchemaTree;
  try {
    tree = parquetSchema(metadata);
  } catch (thrown) {
    throw damaged(name, `its schema cannot be read (${String(thrown)})`);
  }
  for (const child of tree.children) annotate(child);
  return tree;
}

/** Some writers have the newer annotation alone. */
function annotate({ children, element }: SchemaTree): void {
  const logical = element.logical_type?.type;
  if (logical === 'LIST' || logical === 'MAP') element.converted_type ??= logical;
  children.forEach(annotate);
}

/** The columns of key and value. Throws UNSUPPORTED, INVALID_ARGUMENT for a nested key. */
function columnsRead(
  tree: SchemaTree,
  { columns, keyColumn, valueColumn }: Dialect,
  name: string,
): LayoutColumn[] {
  const root: SchemaTree = { ...tree, children: [], element: { name: tree.element.name } };
  const read = tree.children.flatMap((child, column) =>
    valueColumn === VALUE_IS_JSON || column === keyColumn || column === valueColumn
      ? [layoutColumn(root, child, column, name)]
      : [],
  );
  const key = read.find(({ column }) => column === keyColumn);
  // Undefined if the key is in the file's path.
  if (key?.isFlat !== false) return read;
  const flat = tree.children.filter(isFlat).map(({ element }) => shorten(element.name, 30));
  throw new SteleError(
    'INVALID_ARGUMENT',
    `The column '${shorten(columns[keyColumn] ?? '')}' of ${name} has lists, maps or structs, which cannot be keys; choose another with --key: ${listNames(flat, 12)}.`,
  );
}

function isFlat({ children, element }: SchemaTree): boolean {
  return children.length === 0 && element.repetition_type !== 'REPEATED';
}

function layoutColumn(
  root: SchemaTree,
  tree: SchemaTree,
  column: number,
  name: string,
): LayoutColumn {
  const leaves: SchemaTree[][] = [];
  collectLeaves([root, tree], leaves, name);
  return { column, tree, leaves, isFlat: isFlat(tree) };
}

function collectLeaves(path: SchemaTree[], leaves: SchemaTree[][], name: string): void {
  const node = path.at(-1) as SchemaTree;
  const logical = node.element.logical_type?.type;
  if (logical === 'VARIANT') throw unsupported(node, name, 'of type VARIANT');
  if (node.element.name === '__proto__') throw unsupported(node, name, 'called __proto__');
  if (node.element.num_children !== undefined && node.children.length === 0) {
    throw unsupported(node, name, 'a group without columns');
  }
  if (node.children.length === 0) leaves.push(path);
  for (const child of node.children) collectLeaves([...path, child], leaves, name);
}

function unsupported({ path }: SchemaTree, name: string, what: string): SteleError {
  return new SteleError(
    'UNSUPPORTED',
    `The column '${shorten(path.join('.'))}' of ${name} is ${what}, which is not read; choose one column with --value.`,
  );
}
