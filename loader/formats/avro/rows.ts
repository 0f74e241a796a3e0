// Parses the rows of a piece of an Avro file: unpacks a block, and reads its records one after the
// other.

import { crc32, inflateRawSync } from 'node:zlib';
import { decompress as unpackZstd } from 'fzstd';
import { compressors } from 'hyparquet-compressors';
import { SteleError, systemErrorCode } from '../../../base/errors.ts';
import { appendByte, appendBytes, newGrowableBuffer } from '../../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../../bytes/growable-buffer.ts';
import { BudgetExceeded, hold, releaseHeld } from '../../bytes/memory-budget.ts';
import type { HeldMemory } from '../../bytes/memory-budget.ts';
import { COMMA, VALUE_IS_JSON } from '../../input/dialect.ts';
import type { Dialect } from '../../input/dialect.ts';
import { BRACE_CLOSE, BRACE_OPEN } from '../../parse/json/json-scan.ts';
import { appendFolderCell } from '../../parse/parse-context.ts';
import type { ParseContext } from '../../parse/parse-context.ts';
import { addRow, rejectRow } from '../../parse/row-table.ts';
import type { Piece } from '../input-format.ts';
import { NULL_KEY } from '../numbered.ts';
import { blockAt } from './container.ts';
import type { AvroCodec } from './container.ts';
import { newAvroReader } from './reader.ts';
import type { AvroReader } from './reader.ts';
import { rowType } from './schema.ts';
import { valueReader } from './value.ts';
import type { Compiled, ValueReader } from './value.ts';

/** Serialisable. */
export interface AvroLayout {
  /** For messages. */
  readonly name: string;
  readonly schema: string;
  readonly codec: AvroCodec;
}

/** The fields of a schema, compiled. */
interface Fields {
  readonly schema: string;
  readonly values: readonly ValueReader[];
  readonly heads: readonly Buffer[];
}

let lastFields: Fields | undefined;

/** The files of a load mostly have one schema. */
export function fieldsOf(schema: string): Fields {
  if (lastFields?.schema === schema) return lastFields;
  const { fields } = rowType(schema);
  const compiled: Compiled = new Map();
  lastFields = {
    schema,
    values: fields.map(({ type }) => valueReader(type, compiled)),
    heads: fields.map(({ name }) => Buffer.from(`${JSON.stringify(name)}:`)),
  };
  return lastFields;
}

/** Calls `row` for each record of a piece; it must read all fields. */
function forEachRecord(
  bytes: Buffer,
  piece: Piece,
  held: HeldMemory,
  row: (reader: AvroReader, fields: Fields) => void,
): void {
  const layout = piece.rows?.layout as AvroLayout;
  const { codec, name, schema } = layout;
  const fields = fieldsOf(schema);
  for (let at = 0; at < bytes.length;) {
    const start = piece.start + at;
    const block = blockAt(bytes.subarray(at), start, name);
    const packed = bytes.subarray(block.dataStart - piece.start, block.dataEnd - piece.start);
    try {
      const reader = newAvroReader(unpack(packed, codec, held));
      for (let left = block.rows; left > 0; left--) row(reader, fields);
      if (reader.at !== reader.bytes.length) throw new Error('its records end before it does');
    } catch (thrown) {
      throw blockError(thrown, start, name);
    } finally {
      releaseHeld(held);
    }
    at = block.end - piece.start;
  }
}

function unpack(packed: Buffer, codec: AvroCodec, held: HeldMemory): Buffer {
  switch (codec) {
    case 'null':
      return packed;
    case 'deflate':
      return inflated(packed, held);
    case 'snappy': {
      const size = snappySize(packed);
      hold(held, size);
      const bytes = unsnappy(packed.subarray(0, packed.length - 4), size);
      if (crc32(bytes) === packed.readUInt32BE(packed.length - 4)) return bytes;
      throw new Error('its checksum is wrong');
    }
    case 'zstandard': {
      const bytes = unpackZstd(packed);
      hold(held, bytes.length);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
  }
}

/** Inflates within what is left of the budget: a block does not tell its size. */
function inflated(packed: Buffer, held: HeldMemory): Buffer {
  const { budget } = held;
  const left = budget === undefined ? 2 ** 31 - 1 : budget.bytesMax - budget.bytes;
  const maxOutputLength = Math.min(2 ** 31 - 1, Math.max(1024 * 1024, left));
  try {
    const bytes = inflateRawSync(packed, { maxOutputLength });
    hold(held, bytes.length);
    return bytes;
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'ERR_BUFFER_TOO_LARGE' || budget === undefined) throw thrown;
    throw new BudgetExceeded(budget.bytes + 2 * maxOutputLength);
  }
}

/** The size that a block of snappy begins with. */
function snappySize(packed: Buffer): number {
  let size = 0;
  for (let index = 0, factor = 1; index < 5; index++, factor *= 0x80) {
    const byte = packed[index] ?? 0;
    size += (byte & 0x7f) * factor;
    if (byte < 0x80) return size;
  }
  throw new Error('its size cannot be one');
}

function unsnappy(packed: Buffer, size: number): Buffer {
  const { SNAPPY } = compressors;
  if (SNAPPY === undefined) throw new Error('there is no decoder of snappy');
  const { buffer, byteLength, byteOffset } = SNAPPY(packed, size);
  return Buffer.from(buffer, byteOffset, byteLength);
}

function blockError(thrown: unknown, start: number, name: string): unknown {
  if (thrown instanceof SteleError || thrown instanceof BudgetExceeded) return thrown;
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new SteleError(
    'INPUT_INVALID',
    `${name} is damaged: the block at byte ${start} cannot be read (${why}); copy or write it again.`,
    { cause: thrown },
  );
}

/** Keeps what is not stored, or not yet. */
const spare = newGrowableBuffer(undefined, 64 * 1024);

export function parseAvro(context: ParseContext, bytes: Buffer, piece: Piece): void {
  const { assembled, dialect, rows } = context;
  const { keyColumn, valueColumn } = dialect;
  const folder = folderFields(context);
  forEachRecord(bytes, piece, { budget: rows.budget, bytes: 0 }, (reader, fields) => {
    const { heads, values } = folder?.(fields) ?? fields;
    const offset = rows.lineCount++;
    const start = assembled.length;
    reader.isBad = false;
    let hasKey = false;
    let [keyStart, keyEnd, valueStart, valueEnd] = [start, start, start, start];
    spare.length = 0;
    const isObject = valueColumn === VALUE_IS_JSON;
    if (isObject) appendByte(assembled, BRACE_OPEN);
    let badColumn = 0;
    for (let column = 0; column < values.length; column++) {
      const value = values[column] as ValueReader;
      if (column === keyColumn) {
        const out = isObject ? spare : assembled;
        keyStart = out.length;
        hasKey = value.text(reader, out);
        keyEnd = out.length;
        if (column !== valueColumn) continue;
        [valueStart, valueEnd] = [keyStart, keyEnd];
      } else if (isObject) {
        appendMember(assembled, heads[column] as Buffer, value, reader);
        if (reader.isBad && badColumn === 0) badColumn = column + 1;
      } else if (column === valueColumn) {
        valueStart = assembled.length;
        value.text(reader, assembled);
        valueEnd = assembled.length;
        if (reader.isBad) badColumn = column + 1;
      } else {
        value.text(reader, spare);
        spare.length = 0;
        reader.isBad = false;
      }
    }
    if (isObject) {
      appendByte(assembled, BRACE_CLOSE);
      valueEnd = assembled.length;
      appendBytes(assembled, spare.bytes, keyStart, keyEnd);
      [keyStart, keyEnd] = [valueEnd, assembled.length];
    }
    let reason = hasKey ? '' : NULL_KEY;
    if (badColumn > 0) reason ||= `column ${badColumn} is not UTF-8, which a JSON value must be`;
    reason ||= addRow(rows, assembled.bytes, keyStart, keyEnd, valueStart, valueEnd);
    if (reason === '') return;
    assembled.length = start;
    rejectRow(rows, offset, offset + 1, rows.lineCount, reason);
  });
  rows.source = assembled.bytes;
}

/** Adds the columns of the file's path to its fields, as values that take no bytes. */
function folderFields({
  dialect: { columns },
  folderCells,
  memberHeads,
}: ParseContext): ((fields: Fields) => Fields) | undefined {
  if (folderCells.length === 0) return undefined;
  const values = folderCells.map(({ json, text }): ValueReader => ({
    text: (_reader, out) => appendFolderCell(out, text),
    json: (_reader, out) => appendFolderCell(out, json),
    isNested: false,
  }));
  let last: { readonly fields: Fields; readonly all: Fields } | undefined;
  return (fields) => {
    if (last?.fields === fields) return last.all;
    const heads = [...fields.heads, ...memberHeads.slice(columns.length)];
    const all = { schema: fields.schema, values: [...fields.values, ...values], heads };
    last = { fields, all };
    return all;
  };
}

/** Appends a member to an object that has been opened. */
function appendMember(
  out: GrowableBuffer,
  head: Buffer,
  value: ValueReader,
  reader: AvroReader,
): void {
  if (out.bytes[out.length - 1] !== BRACE_OPEN) appendByte(out, COMMA);
  appendBytes(out, head, 0, head.length);
  value.json(reader, out);
}

/**
 * The rows with these numbers, rising, as JSON objects of the columns that are read, with line
 * ends.
 */
export function rowsAsJson(
  { keyColumn, valueColumn }: Dialect,
  bytes: Buffer,
  piece: Piece,
  wanted: readonly number[],
): string[] {
  const lines: string[] = [];
  const out = newGrowableBuffer(undefined, 64 * 1024);
  let row = 0;
  forEachRecord(bytes, piece, { budget: undefined, bytes: 0 }, (reader, { heads, values }) => {
    out.length = 0;
    appendByte(out, BRACE_OPEN);
    for (const [column, value] of values.entries()) {
      const isRead =
        valueColumn === VALUE_IS_JSON || column === keyColumn || column === valueColumn;
      const before = out.length;
      appendMember(out, heads[column] as Buffer, value, reader);
      if (!isRead) out.length = before;
    }
    appendByte(out, BRACE_CLOSE);
    if (row++ !== wanted[lines.length]) return;
    lines.push(`${out.bytes.toString('utf8', 0, out.length)}\n`);
  });
  return lines;
}
