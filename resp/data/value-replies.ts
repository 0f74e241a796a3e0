// Replies made of the value of one key: a backend finds the value, this file writes the reply.

import { SteleError } from '../../base/errors.ts';
import { bitcountReply, bitfieldReply, bitposReply, getbitReply } from './bit-replies.ts';
import { collectionReply } from './collection-replies.ts';
import type { ValueReply } from '../commands/backend.ts';
import type { CommandSpec, ValueCommand } from '../commands/command-spec.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import { dumpOf } from './dump.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { integerArgument } from '../commands/integer-argument.ts';

/** The reply to a command of the sections value and collection. Throws for wrong arguments. */
export function valueReply(spec: CommandSpec, command: CommandArguments): ValueReply {
  if (spec.handler === 'collection') return collectionReply(spec, command);
  return VALUE_REPLIES[spec.name as ValueCommand](command);
}

/**
 * A value as GET and MGET return it: large ones are referenced, small ones copied (see
 * bulkImmutable).
 */
export const writeBulk: ValueReply = (out, bytes, start, end) => {
  if (bytes === undefined) out.nil();
  else out.bulkImmutable(bytes, start, end);
};

const VALUE_REPLIES: Record<ValueCommand, (command: CommandArguments) => ValueReply> = {
  strlen: () => (out, _, start, end) => out.integer(end - start),
  getrange: rangeReply,
  substr: rangeReply,
  getex: (command) => {
    if (command.argc > 2) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        'GETEX with an option is not supported: the data is immutable here and does not expire.',
      );
    }
    return writeBulk;
  },
  type: () => (out, bytes) => out.simple(bytes === undefined ? 'none' : 'string'),
  ttl: () => writeTimeToLive,
  pttl: () => writeTimeToLive,
  expiretime: () => writeTimeToLive,
  pexpiretime: () => writeTimeToLive,
  bitcount: bitcountReply,
  bitfield_ro: bitfieldReply,
  bitpos: bitposReply,
  getbit: getbitReply,
  dump: () => (out, bytes, start, end) => {
    if (bytes === undefined) out.nil();
    else out.bulkImmutable(dumpOf(bytes.subarray(start, end)));
  },
  'object|encoding': () => (out, bytes, start, end) => {
    if (bytes === undefined) out.nil();
    else out.bulkText(encodingOf(bytes, start, end));
  },
  'object|freq': () => (out, bytes) => {
    if (bytes === undefined) out.nil();
    else out.error(NO_FREQUENCY);
  },
  'object|idletime': () => ifFound(0),
  'object|refcount': () => ifFound(1),
  'memory|usage': (command) => {
    const keyBytes = usageKeyBytes(command);
    return (out, bytes, start, end) => {
      if (bytes === undefined) out.nil();
      else out.integer(memoryUsage(keyBytes, end - start));
    };
  },
};

const NO_FREQUENCY =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.';
const NO_BYTES = Buffer.alloc(0);
/** Up to this size, Redis stores a string in one allocation with its object. */
const EMBEDDED_BYTES_MAX = 44;
const INT64_TEXT_BYTES_MAX = 20;
/** Mean overhead of a record: index, lengths and checksums. */
const RECORD_OVERHEAD_BYTES = 10;

function writeTimeToLive(out: ReplyWriter, bytes: Buffer | undefined): void {
  out.integer(bytes === undefined ? -2 : -1);
}

function ifFound(value: number): ValueReply {
  return (out, bytes) => (bytes === undefined ? out.nil() : out.integer(value));
}

function rangeReply(command: CommandArguments): ValueReply {
  const first = integerArgument(command, 2);
  const last = integerArgument(command, 3);
  return (out, bytes = NO_BYTES, from, to) => {
    const { start, end } = rangeOf(first, last, to - from);
    out.bulkImmutable(bytes, from + start, from + end);
  };
}

/** The encoding that Redis would use for the value. */
function encodingOf(bytes: Buffer, start: number, end: number): 'int' | 'embstr' | 'raw' {
  if (end - start <= INT64_TEXT_BYTES_MAX) {
    const text = bytes.toString('latin1', start, end);
    const isInteger = /^(?:0|-?[1-9][0-9]{0,18})$/.test(text);
    if (isInteger && BigInt.asIntN(64, BigInt(text)) === BigInt(text)) return 'int';
  }
  return end - start <= EMBEDDED_BYTES_MAX ? 'embstr' : 'raw';
}

/** A part of a value: bytes [start, end). */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The range that GETRANGE `first` `last` means for a value of `length` bytes: inclusive at both
 * ends, negative numbers count from the end. As in Redis, an end before the start of the value
 * means the first byte, unless the two are reversed.
 */
export function rangeOf(first: number, last: number, length: number): ByteRange {
  if (length === 0 || (first < 0 && last < 0 && first > last)) return { start: 0, end: 0 };
  const start = Math.max(0, first < 0 ? length + first : first);
  const end = Math.min(length - 1, Math.max(0, last < 0 ? length + last : last));
  return start > end ? { start: 0, end: 0 } : { start, end: end + 1 };
}

/**
 * Checks `MEMORY USAGE key [SAMPLES count]`, and returns the key's length. Throws INVALID_ARGUMENT.
 */
function usageKeyBytes(command: CommandArguments): number {
  for (let at = 3; at < command.argc; at += 2) {
    const isSamples = argumentText(command, at).toLowerCase() === 'samples';
    if (!isSamples || at + 1 >= command.argc || integerArgument(command, at + 1) < 0) {
      throw new SteleError('INVALID_ARGUMENT', 'syntax error');
    }
  }
  return (command.ends[2] ?? 0) - (command.starts[2] ?? 0);
}

/** Bytes that a record takes in memory, with its share of the index. */
function memoryUsage(keyBytes: number, valueBytes: number): number {
  return keyBytes + valueBytes + RECORD_OVERHEAD_BYTES;
}
