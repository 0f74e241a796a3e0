// How the values of an Avro schema become text (docs/loading.md has the table for people). A schema
// is compiled into functions that read a value and append it, so that no object is made of it.

import { isUtf8 } from 'node:buffer';
import type { Type, types } from 'avsc';
import { annotationsOf } from './schema.ts';
import { appendByte, appendBytes, reserve } from '../../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../../bytes/growable-buffer.ts';
import { COMMA } from '../../input/dialect.ts';
import { BRACE_CLOSE, BRACE_OPEN } from '../../parse/json/json-scan.ts';
import { appendJsonString } from '../../parse/json/json-text.ts';
import {
  bigEndianInteger,
  dateText,
  decimalText,
  doubleText,
  durationText,
  floatText,
  jsonNumber,
  timeText,
  timestampText,
  uuidText,
} from '../values/typed-text.ts';
import { readCount, readLong, readSpan, take } from './reader.ts';
import type { AvroReader } from './reader.ts';

/** Reads one value from the reader. */
export interface ValueReader {
  /** Appends it as a key or the only value; returns false, and appends nothing, for a null. */
  text(reader: AvroReader, out: GrowableBuffer): boolean;
  /** Appends it as JSON; sets `reader.isBad` for text that is not UTF-8. */
  json(reader: AvroReader, out: GrowableBuffer): void;
  /** Whether the value is one of a list, a map or a record. */
  readonly isNested: boolean;
}

const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const COLON = 0x3a;

/** Types may be recursive, so each is compiled once. */
export type Compiled = Map<Type, ValueReader>;

export function valueReader(type: Type, compiled: Compiled): ValueReader {
  const known = compiled.get(type);
  if (known !== undefined) return known;
  let inner: ValueReader | undefined;
  const forward: ValueReader = {
    text: (reader, out) => (inner as ValueReader).text(reader, out),
    json: (reader, out) => (inner as ValueReader).json(reader, out),
    isNested: true,
  };
  compiled.set(type, forward);
  inner = compile(type, compiled);
  compiled.set(type, inner);
  return inner;
}

function compile(noted: Type, compiled: Compiled): ValueReader {
  const { logicalType, scale, type } = annotationsOf(noted);
  switch (type.typeName) {
    case 'null':
      return {
        text: () => false,
        json: (_reader, out) => appendAscii(out, 'null'),
        isNested: false,
      };
    case 'boolean':
      return scalar((reader) => (reader.bytes[take(reader, 1)] === 0 ? 'false' : 'true'), false);
    case 'int':
    case 'long':
      return integer(logicalType);
    case 'float':
      return scalar((reader) => floatText(reader.view.getFloat32(take(reader, 4), true)), false);
    case 'double':
      return scalar((reader) => doubleText(reader.view.getFloat64(take(reader, 8), true)), false);
    case 'string':
      return STRING;
    case 'bytes':
      if (logicalType !== 'decimal') return binary(readSpan);
      return scalar((reader) => decimalText(bigEndianInteger(readSpan(reader)), scale), true);
    case 'fixed':
      return fixed((type as types.FixedType).size, logicalType, scale);
    case 'enum':
      return enumeration((type as types.EnumType).symbols);
    case 'array':
      return list(valueReader((type as types.ArrayType).itemsType, compiled));
    case 'map':
      return map(valueReader((type as types.MapType).valuesType, compiled));
    case 'record':
    case 'error':
      return record(type as types.RecordType, compiled);
    default:
      return union(type as unknown as { readonly types: readonly Type[] }, compiled);
  }
}

/** A value that is short ASCII text; `isQuoted` makes it a string in JSON. */
function scalar(read: (reader: AvroReader) => string, isQuoted: boolean): ValueReader {
  return {
    text(reader, out) {
      appendAscii(out, read(reader));
      return true;
    },
    json(reader, out) {
      const text = read(reader);
      appendAscii(out, isQuoted ? `"${text}"` : jsonNumber(text));
    },
    isNested: false,
  };
}

function integer(logicalType: string): ValueReader {
  const big = (reader: AvroReader): bigint => BigInt(readLong(reader));
  switch (logicalType) {
    case 'date':
      return scalar((reader) => dateText(Number(readLong(reader))), true);
    case 'time-millis':
      return scalar((reader) => timeText(big(reader), 3), true);
    case 'time-micros':
      return scalar((reader) => timeText(big(reader), 6), true);
    case 'timestamp-millis':
      return scalar((reader) => timestampText(big(reader), 3, true), true);
    case 'timestamp-micros':
      return scalar((reader) => timestampText(big(reader), 6, true), true);
    case 'timestamp-nanos':
      return scalar((reader) => timestampText(big(reader), 9, true), true);
    case 'local-timestamp-millis':
      return scalar((reader) => timestampText(big(reader), 3, false), true);
    case 'local-timestamp-micros':
      return scalar((reader) => timestampText(big(reader), 6, false), true);
    case 'local-timestamp-nanos':
      return scalar((reader) => timestampText(big(reader), 9, false), true);
    default:
      return scalar((reader) => String(readLong(reader)), false);
  }
}

const STRING: ValueReader = {
  text(reader, out) {
    const byteCount = readCount(reader);
    const start = take(reader, byteCount);
    appendBytes(out, reader.bytes, start, start + byteCount);
    return true;
  },
  json(reader, out) {
    const byteCount = readCount(reader);
    const start = take(reader, byteCount);
    appendString(reader, out, start, start + byteCount);
  },
  isNested: false,
};

function appendString(reader: AvroReader, out: GrowableBuffer, start: number, end: number): void {
  if (!isUtf8(reader.bytes.subarray(start, end))) reader.isBad = true;
  appendJsonString(out, reader.bytes, reader.view, start, end);
}

function binary(read: (reader: AvroReader) => Buffer): ValueReader {
  return {
    text(reader, out) {
      const bytes = read(reader);
      appendBytes(out, bytes, 0, bytes.length);
      return true;
    },
    json: (reader, out) => appendAscii(out, `"${read(reader).toString('base64')}"`),
    isNested: false,
  };
}

function fixed(size: number, logicalType: string, scale: number): ValueReader {
  const read = (reader: AvroReader): Buffer => {
    const start = take(reader, size);
    return reader.bytes.subarray(start, start + size);
  };
  if (logicalType === 'decimal') {
    return scalar((reader) => decimalText(bigEndianInteger(read(reader)), scale), true);
  }
  if (logicalType === 'uuid' && size === 16)
    return scalar((reader) => uuidText(read(reader)), true);
  if (logicalType === 'duration' && size === 12) {
    return scalar((reader) => durationText(read(reader)), true);
  }
  return binary(read);
}

function enumeration(symbols: readonly string[]): ValueReader {
  return scalar((reader) => {
    const symbol = symbols[readCount(reader)];
    if (symbol === undefined) throw new Error('a value is none of its enumeration');
    return symbol;
  }, true);
}

/** A value that is JSON in either case. */
function nested(json: ValueReader['json']): ValueReader {
  return {
    json,
    text(reader, out) {
      json(reader, out);
      return true;
    },
    isNested: true,
  };
}

/** Calls `item` for each item of the blocks of an array or map. */
function forEachItem(reader: AvroReader, item: () => void): void {
  for (let count = readCount(reader); count !== 0; count = readCount(reader)) {
    // With a negative count comes the size of the block.
    if (count < 0) readCount(reader);
    for (let left = Math.abs(count); left > 0; left--) {
      // Items may take no bytes at all, and a damaged count is large.
      if (reader.at > reader.bytes.length) throw new Error('a value reaches beyond the end');
      item();
    }
  }
}

function list(items: ValueReader): ValueReader {
  return nested((reader, out) => {
    appendByte(out, BRACKET_OPEN);
    let isFirst = true;
    forEachItem(reader, () => {
      if (!isFirst) appendByte(out, COMMA);
      isFirst = false;
      items.json(reader, out);
    });
    appendByte(out, BRACKET_CLOSE);
  });
}

function map(values: ValueReader): ValueReader {
  return nested((reader, out) => {
    appendByte(out, BRACE_OPEN);
    let isFirst = true;
    forEachItem(reader, () => {
      if (!isFirst) appendByte(out, COMMA);
      isFirst = false;
      STRING.json(reader, out);
      appendByte(out, COLON);
      values.json(reader, out);
    });
    appendByte(out, BRACE_CLOSE);
  });
}

function record({ fields }: types.RecordType, compiled: Compiled): ValueReader {
  const members = fields.map(({ name, type }) => ({
    head: Buffer.from(`${JSON.stringify(name)}:`),
    value: valueReader(type, compiled),
  }));
  return nested((reader, out) => {
    appendByte(out, BRACE_OPEN);
    for (const [index, { head, value }] of members.entries()) {
      if (index > 0) appendByte(out, COMMA);
      appendBytes(out, head, 0, head.length);
      value.json(reader, out);
    }
    appendByte(out, BRACE_CLOSE);
  });
}

function union(
  { types: branches }: { readonly types: readonly Type[] },
  compiled: Compiled,
): ValueReader {
  const values = branches.map((branch) => valueReader(branch, compiled));
  const branchOf = (reader: AvroReader): ValueReader => {
    const value = values[readCount(reader)];
    if (value === undefined) throw new Error('a value is none of its union');
    return value;
  };
  return {
    text: (reader, out) => branchOf(reader).text(reader, out),
    json: (reader, out) => branchOf(reader).json(reader, out),
    isNested: values.some(({ isNested }) => isNested),
  };
}

function appendAscii(out: GrowableBuffer, text: string): void {
  reserve(out, text.length);
  out.length += out.bytes.write(text, out.length, 'latin1');
}
