// The pages of a column in a row group, one after the other:
//
//     | header | dictionary |  header | data page |  header | data page | ...
//
// hyparquet decodes headers, levels, encodings and compression; checksums are checked here.

import { brotliDecompressSync, crc32, gunzipSync } from 'node:zlib';
import type {
  CompressionCodec,
  Compressors,
  DecodedArray,
  PageHeader,
  SchemaTree,
} from 'hyparquet';
import { compressors as libraryCompressors } from 'hyparquet-compressors';
import { parquetHeader } from 'hyparquet/src/column.js';
import { decompressPage, readDataPage, readDataPageV2 } from 'hyparquet/src/datapage.js';
import { SteleError } from '../../../base/errors.ts';
import { messageOf } from './footer.ts';

/** Node.js's own decoders are faster. */
const compressors: Compressors = {
  ...libraryCompressors,
  GZIP: (input, byteCount) => gunzipSync(input, { maxOutputLength: byteCount + 1 }),
  BROTLI: (input, byteCount) => brotliDecompressSync(input, { maxOutputLength: byteCount + 1 }),
};

export function canUnpack(codec: string): boolean {
  return codec === 'UNCOMPRESSED' || Object.hasOwn(compressors, codec);
}

/** A damaged header may claim anything; pages of writers have a megabyte. */
const PAGE_BYTES_MAX = 2 ** 31 - 1;

/** One physical column in one row group. Serialisable. */
export interface LeafChunk {
  readonly codec: CompressionCodec;
  /** Bytes of the piece: the dictionary, if there is one, and data pages. */
  readonly start: number;
  readonly end: number;
  /** Row of the group with which the first data page begins. */
  readonly firstRow: number;
}

/** How a leaf is read; `path` is that of the schema, from its root. */
export interface Leaf {
  readonly schemaPath: SchemaTree[];
  readonly maxDefinition: number;
  readonly maxRepetition: number;
  readonly decoder: Parameters<typeof readDataPage>[2];
  readonly isUnsigned: boolean;
}

/**
 * `schemaPath` begins with the root. Annotations are left out: values stay as they are in the file.
 */
export function newLeaf(schemaPath: SchemaTree[], codec: CompressionCodec): Leaf {
  const { element } = schemaPath.at(-1) as SchemaTree;
  const repetition = schemaPath.slice(1).map((node) => node.element.repetition_type);
  const { converted_type: converted, logical_type: logical, name, repetition_type } = element;
  const { type, type_length } = element;
  const bare = {
    name,
    ...(type && { type }),
    ...(type_length && { type_length }),
    ...(repetition_type && { repetition_type }),
  };
  return {
    schemaPath,
    isUnsigned:
      converted?.startsWith('UINT') === true || (logical?.type === 'INTEGER' && !logical.isSigned),
    maxDefinition: repetition.filter((kind) => kind !== 'REQUIRED').length,
    maxRepetition: repetition.filter((kind) => kind === 'REPEATED').length,
    decoder: {
      pathInSchema: schemaPath.slice(1).map((node) => node.element.name),
      type: type as NonNullable<typeof type>,
      element: bare,
      schemaPath,
      codec,
      compressors,
      parsers: NO_PARSERS,
      utf8: false,
    },
  };
}

/** Never called: only hyparquet's conversions need them, and these are not used. */
const NO_PARSERS = {} as Leaf['decoder']['parsers'];

/** A page whose header has been read. */
export interface RawPage {
  readonly header: PageHeader;
  /** As they are in the file. */
  readonly bytes: Uint8Array;
  /** Offset of the next page. */
  readonly next: number;
}

/** The page at `at` of `bytes`. Throws an Error for a damaged one. */
export function readRawPage(bytes: Uint8Array, at: number, end: number): RawPage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, end);
  const reader = { view, offset: at };
  const header = parquetHeader(reader);
  const { compressed_page_size: size, crc, uncompressed_page_size: fullSize } = header;
  const next = reader.offset + size;
  if (!(size >= 0 && next <= end && fullSize >= 0 && fullSize <= PAGE_BYTES_MAX)) {
    throw new Error('a page reaches beyond its column');
  }
  const content = bytes.subarray(reader.offset, next);
  if (crc !== undefined && crc32(content) !== crc >>> 0)
    throw new Error('wrong checksum of a page');
  return { header, bytes: content, next };
}

/** The levels and physical values of a data page. */
export interface DataPage {
  /** Rows, or for repeated columns values and empty lists. */
  readonly count: number;
  /** Undefined or empty if all are at the maximum. */
  readonly definitionLevels: number[] | undefined;
  readonly repetitionLevels: number[];
  readonly values: DecodedArray;
  readonly isDictionary: boolean;
}

export function isDictionaryPage({ header }: RawPage): boolean {
  return header.type === 'DICTIONARY_PAGE';
}

/** Rows of a data page of a column that is not repeated; undefined for a page without data. */
export function rowsOfPage({ header }: RawPage): number | undefined {
  if (header.type === 'DATA_PAGE') return header.data_page_header?.num_values;
  if (header.type === 'DATA_PAGE_V2') return header.data_page_header_v2?.num_values;
  return undefined;
}

export function decodePage(page: RawPage, leaf: Leaf): DataPage {
  const { decoder, isUnsigned } = leaf;
  const { data_page_header: v1, data_page_header_v2: v2 } = page.header;
  const isDelta = (v1 ?? v2)?.encoding === 'DELTA_BINARY_PACKED';
  if (!isDelta || !isUnsigned || decoder.type !== 'INT32') return decoded(page, decoder);
  // DuckDB's deltas begin with a number of 33 bits, which hyparquet would cut.
  const wide = decoded(page, { ...decoder, type: 'INT64' });
  const narrow = Array.from(wide.values as BigInt64Array, (value) =>
    Number(BigInt.asIntN(32, value)),
  );
  return { ...wide, values: narrow };
}

function decoded({ bytes, header }: RawPage, decoder: Leaf['decoder']): DataPage {
  const v2 = header.data_page_header_v2;
  if (header.type === 'DATA_PAGE_V2' && v2 !== undefined) {
    const { dataPage, definitionLevels, repetitionLevels } = readDataPageV2(bytes, header, decoder);
    const isDictionary = v2.encoding.endsWith('_DICTIONARY');
    const count = v2.num_values;
    return { count, definitionLevels, repetitionLevels, values: dataPage, isDictionary };
  }
  const v1 = header.data_page_header;
  if (header.type !== 'DATA_PAGE' || v1 === undefined) throw new Error('a page of unknown kind');
  const page = unpacked(bytes, header, decoder.codec);
  const { dataPage, definitionLevels, repetitionLevels } = readDataPage(page, v1, decoder);
  const isDictionary = v1.encoding.endsWith('_DICTIONARY');
  const count = v1.num_values;
  return { count, definitionLevels, repetitionLevels, values: dataPage, isDictionary };
}

/** The content of a page of version 1, or of a dictionary. */
export function unpacked(
  bytes: Uint8Array,
  { uncompressed_page_size: size }: PageHeader,
  codec: CompressionCodec,
): Uint8Array {
  return decompressPage(bytes, size, codec, compressors);
}

/** What reading a page of a column threw, for people. `where` names file, row group and column. */
export function pageError(thrown: unknown, where: string): Error {
  if (thrown instanceof SteleError || !(thrown instanceof Error)) return thrown as Error;
  // Not ours: BudgetExceeded.
  if ('neededBytes' in thrown) return thrown;
  const message = messageOf(thrown).replace(/^parquet /, '');
  if (message.startsWith('unsupported')) {
    return new SteleError(
      'UNSUPPORTED',
      `${where}: ${message}, which is not read; write the file with snappy, gzip, zstd, brotli or lz4 and an encoding of Parquet 2.`,
      { cause: thrown },
    );
  }
  return new SteleError(
    'INPUT_INVALID',
    `${where} is damaged (${message}); copy or write the file again.`,
    { cause: thrown },
  );
}
