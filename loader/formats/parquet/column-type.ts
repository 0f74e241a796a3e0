// How the values of a column become text (docs/loading.md has the table for people). Values are
// physical ones, as they are in the file: hyparquet's own conversions make floats of decimals and
// cut timestamps to milliseconds.

import type { SchemaElement } from 'hyparquet';
import {
  bigEndianInteger,
  dateText,
  decimalText,
  doubleText,
  durationText,
  floatText,
  halfFloat,
  jsonNumber,
  timeText,
  timestampText,
  uuidText,
} from '../values/typed-text.ts';
import type { FractionDigits } from '../values/typed-text.ts';

/** A physical value. */
export type Physical = number | bigint | boolean | Uint8Array;

/**
 * `text` and `bytes` are stored as they are; everything else by `render`. In JSON, `text` and what
 * `isQuoted` are strings, `bytes` are base64.
 */
export type ColumnType =
  | { readonly kind: 'text' | 'bytes' }
  | {
      readonly kind: 'rendered';
      readonly render: (value: Physical) => string;
      readonly isQuoted: boolean;
    };

const TEXT: ColumnType = { kind: 'text' };
const BYTES: ColumnType = { kind: 'bytes' };
const INTEGER = rendered((value) => String(value), false);
const UNSIGNED_32 = rendered((value) => String((value as number) >>> 0), false);
const UNSIGNED_64 = rendered((value) => String(BigInt.asUintN(64, value as bigint)), false);

function rendered(render: (value: Physical) => string, isQuoted: boolean): ColumnType {
  return { kind: 'rendered', render, isQuoted };
}

const DIGITS = { MILLIS: 3, MICROS: 6, NANOS: 9 } as const;

export function columnType(element: SchemaElement): ColumnType {
  const { logical_type: logical, type } = element;
  switch (logical?.type) {
    case 'STRING':
    case 'ENUM':
    case 'JSON':
      return TEXT;
    case 'DECIMAL':
      return decimal(logical.scale);
    case 'DATE':
      return rendered((value) => dateText(Number(value)), true);
    case 'TIME':
      return time(DIGITS[logical.unit]);
    case 'TIMESTAMP':
      return timestamp(DIGITS[logical.unit], logical.isAdjustedToUTC);
    case 'INTEGER':
      return integer(logical.isSigned, type);
    case 'UUID':
      return rendered((value) => uuidText(value as Uint8Array), true);
    case 'FLOAT16':
      return rendered((value) => doubleText(halfFloat(value as Uint8Array)), false);
    default:
      return convertedType(element);
  }
}

/** The older annotations. */
function convertedType({ converted_type: converted, scale = 0, type }: SchemaElement): ColumnType {
  switch (converted) {
    case 'UTF8':
    case 'ENUM':
    case 'JSON':
      return TEXT;
    case 'DECIMAL':
      return decimal(scale);
    case 'DATE':
      return rendered((value) => dateText(Number(value)), true);
    case 'TIME_MILLIS':
      return time(3);
    case 'TIME_MICROS':
      return time(6);
    case 'TIMESTAMP_MILLIS':
      return timestamp(3, true);
    case 'TIMESTAMP_MICROS':
      return timestamp(6, true);
    case 'UINT_8':
    case 'UINT_16':
    case 'UINT_32':
    case 'UINT_64':
      return integer(false, type);
    case 'INTERVAL':
      return rendered((value) => durationText(value as Uint8Array), true);
    default:
      return plain(type);
  }
}

function plain(type: SchemaElement['type']): ColumnType {
  switch (type) {
    case 'BOOLEAN':
    case 'INT32':
    case 'INT64':
      return INTEGER;
    case 'INT96':
      return rendered((value) => timestampText(int96Nanos(value as bigint), 9, false), true);
    case 'FLOAT':
      return rendered((value) => floatText(value as number), false);
    case 'DOUBLE':
      return rendered((value) => doubleText(value as number), false);
    default:
      return BYTES;
  }
}

/** Nanoseconds since 1970 of the Julian day (the high 32 bits) and the nanoseconds of the day. */
function int96Nanos(value: bigint): bigint {
  const days = (value >> 64n) - JULIAN_DAY_OF_1970;
  return days * 86_400_000_000_000n + BigInt.asUintN(64, value);
}

const JULIAN_DAY_OF_1970 = 2_440_588n;

function integer(isSigned: boolean, type: SchemaElement['type']): ColumnType {
  if (isSigned) return INTEGER;
  return type === 'INT64' ? UNSIGNED_64 : UNSIGNED_32;
}

function decimal(scale: number): ColumnType {
  return rendered((value) => {
    const unscaled = value instanceof Uint8Array ? bigEndianInteger(value) : BigInt(value);
    return decimalText(unscaled, scale);
  }, true);
}

function time(digits: FractionDigits): ColumnType {
  return rendered((value) => timeText(BigInt(value as number | bigint), digits), true);
}

function timestamp(digits: FractionDigits, isInstant: boolean): ColumnType {
  return rendered(
    (value) => timestampText(BigInt(value as number | bigint), digits, isInstant),
    true,
  );
}

/** The value as JSON; undefined for text that is not UTF-8. */
export function jsonOf(value: Physical, type: ColumnType): string | undefined {
  if (type.kind === 'rendered') {
    const text = type.render(value);
    return type.isQuoted ? `"${text}"` : jsonNumber(text);
  }
  const bytes = value as Uint8Array;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type.kind === 'bytes') return `"${buffer.toString('base64')}"`;
  try {
    return JSON.stringify(UTF_8.decode(bytes));
  } catch {
    return undefined;
  }
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
