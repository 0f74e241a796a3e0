// A column of lists, maps or structs, as JSON. All of it that a row group has is assembled at once,
// as a value may go from one page into the next. hyparquet assembles the levels; the values that it
// puts together are JSON already, so nothing of them is lost.

import type { DecodedArray, SchemaTree } from 'hyparquet';
import { assembleLists, assembleNested } from 'hyparquet/src/assemble.js';
import { readPlain } from 'hyparquet/src/plain.js';
import { hold } from '../../bytes/memory-budget.ts';
import type { HeldMemory } from '../../bytes/memory-budget.ts';
import { columnType, jsonOf } from './column-type.ts';
import type { ColumnType, Physical } from './column-type.ts';
import { decodePage, isDictionaryPage, readRawPage, unpacked } from './pages.ts';
import type { Leaf, LeafChunk } from './pages.ts';

/** Memory of a value in objects, for each byte of its pages. */
const OBJECTS_FACTOR = 8;
/**
 * Stands before a map's key while it is the name of a JavaScript property, as names like 1 and
 * __proto__ are not ordinary ones.
 */
const KEY_MARK = '\0';

/** A value as JSON; undefined for text that is not UTF-8. */
class Literal {
  readonly json: string | undefined;

  constructor(json: string | undefined) {
    this.json = json;
  }

  /** As the key of a map. */
  toString(): string {
    const json = this.json ?? '""';
    return KEY_MARK + (json.startsWith('"') ? (JSON.parse(json) as string) : json);
  }
}

type Assembled = Literal | null | undefined | readonly Assembled[] | { [name: string]: Assembled };

/** The leaves of a column, each with its chunk. */
export interface NestedLeaf {
  readonly leaf: Leaf;
  readonly chunk: LeafChunk;
}

/** The values of all rows of a row group; `tree` is the column's. Throws an Error. */
export function readNested(
  source: Uint8Array,
  tree: SchemaTree,
  leaves: readonly NestedLeaf[],
  held: HeldMemory,
): readonly Assembled[] {
  const columns = new Map<string, DecodedArray>();
  for (const { chunk, leaf } of leaves) {
    columns.set(leaf.decoder.pathInSchema.join('.'), readLeaf(source, chunk, leaf, held));
  }
  if (tree.children.length > 0) assembleNested(columns, tree, NO_PARSERS);
  const values = columns.get(tree.path.join('.'));
  if (values === undefined) throw new Error('its levels do not fit its schema');
  return values as Assembled[];
}

const NO_PARSERS = {} as Parameters<typeof assembleNested>[2];

function readLeaf(
  source: Uint8Array,
  chunk: LeafChunk,
  leaf: Leaf,
  held: HeldMemory,
): DecodedArray {
  const { decoder, schemaPath } = leaf;
  const type = columnType((schemaPath.at(-1) as SchemaTree).element);
  const rows: unknown[] = [];
  let dictionary: Literal[] | undefined;
  for (let at = chunk.start; at < chunk.end;) {
    const page = readRawPage(source, at, chunk.end);
    at = page.next;
    const { header } = page;
    hold(held, header.uncompressed_page_size * OBJECTS_FACTOR);
    if (isDictionaryPage(page)) {
      const bytes = unpacked(page.bytes, header, decoder.codec);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const count = header.dictionary_page_header?.num_values ?? 0;
      const { type_length: length } = decoder.element;
      dictionary = literals(readPlain({ view, offset: 0 }, decoder.type, count, length), type);
      continue;
    }
    if (header.type === 'INDEX_PAGE') continue;
    const { definitionLevels, isDictionary, repetitionLevels, values } = decodePage(page, leaf);
    const decoded = isDictionary ? looked(values, dictionary) : literals(values, type);
    const assembled = assembleLists(rows, definitionLevels, repetitionLevels, decoded, schemaPath);
    // Without levels the values are returned as they are.
    if (assembled !== rows) for (const value of assembled as unknown[]) rows.push(value);
  }
  return rows;
}

function literals(values: DecodedArray, type: ColumnType): Literal[] {
  return Array.from(values as ArrayLike<Physical>, (value) => new Literal(jsonOf(value, type)));
}

function looked(values: DecodedArray, dictionary: readonly Literal[] | undefined): Literal[] {
  return Array.from(values as ArrayLike<number>, (index) => {
    const value = dictionary?.[index];
    if (value === undefined) throw new Error('a value is not in its dictionary');
    return value;
  });
}

/** JSON; undefined if some text in it is not UTF-8. */
export function nestedJson(value: Assembled): string | undefined {
  if (value === null || value === undefined) return 'null';
  if (value instanceof Literal) return value.json;
  const parts: string[] = [];
  if (isList(value)) {
    for (const item of value) {
      const json = nestedJson(item);
      if (json === undefined) return undefined;
      parts.push(json);
    }
    return `[${parts.join(',')}]`;
  }
  for (const [name, member] of Object.entries(value)) {
    const json = nestedJson(member);
    if (json === undefined) return undefined;
    const plain = name.startsWith(KEY_MARK) ? name.slice(1) : name;
    parts.push(`${JSON.stringify(plain)}:${json}`);
  }
  return `{${parts.join(',')}}`;
}

function isList(value: Assembled): value is readonly Assembled[] {
  return Array.isArray(value);
}
