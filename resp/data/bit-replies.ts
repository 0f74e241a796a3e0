// BITCOUNT, BITPOS, GETBIT and BITFIELD_RO, with Redis's own errors. Bit 0 is the highest of the
// first byte.

import { SteleError } from '../../base/errors.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import { integerArgument } from '../commands/integer-argument.ts';
import type { ValueReply } from '../commands/backend.ts';

const OFFSET_END = 2 ** 32;
const NO_BYTES = Buffer.alloc(0);

/** Bits [start, end) of a value. */
interface BitRange {
  readonly start: number;
  readonly end: number;
}

/** `BITCOUNT key [start end [BYTE | BIT]]`. */
export function bitcountReply(command: CommandArguments): ValueReply {
  if (command.argc === 3 || command.argc > 5) throw syntaxError();
  const rangeOf = rangeArguments(command, 2);
  return (out, bytes = NO_BYTES, start, end) => {
    out.integer(countBits(bytes.subarray(start, end), rangeOf(end - start)));
  };
}

/** `BITPOS key bit [start [end [BYTE | BIT]]]`. */
export function bitposReply(command: CommandArguments): ValueReply {
  const bit = integerArgument(command, 2);
  if (bit !== 0 && bit !== 1) throw invalid('The bit argument must be 1 or 0.');
  if (command.argc > 6) throw syntaxError();
  const rangeOf = rangeArguments(command, 3);
  // Without an explicit end, the value counts as followed by zeros.
  const isPadded = command.argc < 5;
  return (out, bytes, start, end) => {
    if (bytes === undefined) return out.integer(bit === 1 ? -1 : 0);
    const range = rangeOf(end - start);
    const at = findBit(bytes.subarray(start, end), bit, range);
    const isPadding = at < 0 && bit === 0 && isPadded && range.start < range.end;
    out.integer(isPadding ? range.end : at);
  };
}

/** `GETBIT key offset`. */
export function getbitReply(command: CommandArguments): ValueReply {
  const offset = bitOffset(argumentText(command, 2), 1);
  return (out, bytes = NO_BYTES, start, end) => {
    out.integer(bitAt(bytes.subarray(start, end), offset));
  };
}

/** `BITFIELD_RO key [GET type offset ...]`. */
export function bitfieldReply(command: CommandArguments): ValueReply {
  const fields: { bits: number; isSigned: boolean; offset: number }[] = [];
  for (let at = 2; at < command.argc; at += 3) {
    if (argumentText(command, at).toLowerCase() !== 'get') {
      throw invalid('BITFIELD_RO only supports the GET subcommand');
    }
    if (at + 2 >= command.argc) throw syntaxError();
    const type = /^([iu])([1-9]\d?)$/.exec(argumentText(command, at + 1));
    const isSigned = type?.[1] === 'i';
    const bits = Number(type?.[2]);
    if (!(bits <= (isSigned ? 64 : 63))) {
      throw invalid(
        'Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.',
      );
    }
    fields.push({ bits, isSigned, offset: bitOffset(argumentText(command, at + 2), bits) });
  }
  return (out, bytes = NO_BYTES, start, end) => {
    const value = bytes.subarray(start, end);
    out.array(fields.length);
    for (const { bits, isSigned, offset } of fields) {
      const unsigned = bitsAt(value, offset, bits);
      out.raw(Buffer.from(`:${isSigned ? BigInt.asIntN(bits, unsigned) : unsigned}\r\n`));
    }
  };
}

/**
 * Parses `[start [end [BYTE | BIT]]]` from argument `at` on; the result maps a value's length to
 * bits.
 */
function rangeArguments(command: CommandArguments, at: number): (byteCount: number) => BitRange {
  const { argc } = command;
  const first = argc > at ? integerArgument(command, at) : 0;
  const last = argc > at + 1 ? integerArgument(command, at + 1) : -1;
  const unit = argc > at + 2 ? argumentText(command, at + 2).toLowerCase() : 'byte';
  if (unit !== 'byte' && unit !== 'bit') throw syntaxError();
  const unitBits = unit === 'bit' ? 1 : 8;
  return (byteCount) => {
    const length = (byteCount * 8) / unitBits;
    const start = Math.max(0, first < 0 ? length + first : first);
    const end = Math.min(length - 1, Math.max(0, last < 0 ? length + last : last));
    const isEmpty = start > end || (first < 0 && last < 0 && first > last);
    return isEmpty ? { start: 0, end: 0 } : { start: start * unitBits, end: (end + 1) * unitBits };
  };
}

/** The bit offset in `text`; `#3` is three times the width of the field. */
function bitOffset(text: string, bits: number): number {
  const [, times, digits = ''] = /^(#?)(0|[1-9]\d{0,18})$/.exec(text) ?? [];
  const offset = Number(digits === '' ? Number.NaN : digits) * (times === '#' ? bits : 1);
  if (offset + bits <= OFFSET_END) return offset;
  throw invalid('bit offset is not an integer or out of range');
}

function bitAt(bytes: Uint8Array, bit: number): number {
  return ((bytes[bit >>> 3] ?? 0) >>> (7 - (bit & 7))) & 1;
}

function bitsAt(value: Uint8Array, offset: number, bits: number): bigint {
  let result = 0n;
  for (let bit = offset; bit < offset + bits; bit++) {
    result = (result << 1n) | BigInt(bitAt(value, bit));
  }
  return result;
}

function countBits(value: Uint8Array, { start, end }: BitRange): number {
  let count = 0;
  let bit = start;
  for (; bit < end && (bit & 7) !== 0; bit++) count += bitAt(value, bit);
  for (; bit + 8 <= end; bit += 8) count += BIT_COUNTS[value[bit >>> 3] as number] as number;
  for (; bit < end; bit++) count += bitAt(value, bit);
  return count;
}

/** The first bit in the range with the value `wanted`, or -1. */
function findBit(value: Uint8Array, wanted: number, { start, end }: BitRange): number {
  const passed = wanted === 1 ? 0 : 0xff;
  for (let bit = start; bit < end; bit++) {
    if ((bit & 7) === 0 && bit + 8 <= end && value[bit >>> 3] === passed) bit += 7;
    else if (bitAt(value, bit) === wanted) return bit;
  }
  return -1;
}

const BIT_COUNTS = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>>= 1) count += rest & 1;
  return count;
});

function syntaxError(): SteleError {
  return invalid('syntax error');
}

function invalid(message: string): SteleError {
  return new SteleError('INVALID_ARGUMENT', message);
}
