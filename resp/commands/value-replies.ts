// Replies that are made of the value of one key: both backends find the value, this says what is answered.

import { SteleError } from '../../base/errors.ts';
import { bitcountReply, bitfieldReply, bitposReply, getbitReply } from './bit-replies.ts';
import { collectionReply } from './collection-replies.ts';
import type { ValueReply } from './backend.ts';
import type { CommandSpec, ValueCommand } from './command-spec.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import { dumpOf } from './dump.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { integerArgument } from './integer-argument.ts';
import { memoryUsage, usageKeyBytes } from './memory-usage.ts';
import { rangeOf } from './string-range.ts';

/** The reply to a command of the sections value and collection. Throws what is wrong with its arguments. */
export function valueReply(spec: CommandSpec, command: CommandArguments): ValueReply {
  if (spec.handler === 'collection') return collectionReply(spec, command);
  return VALUE_REPLIES[spec.name as ValueCommand](command);
}

/** A value as GET and MGET give it: large ones are referenced, small ones copied (see bulkImmutable). */
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
/** Up to this size Redis keeps a string in one piece with its object. */
const EMBEDDED_BYTES_MAX = 44;
const INT64_TEXT_BYTES_MAX = 20;

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

/** What Redis would keep the value as. */
function encodingOf(bytes: Buffer, start: number, end: number): 'int' | 'embstr' | 'raw' {
  if (end - start <= INT64_TEXT_BYTES_MAX) {
    const text = bytes.toString('latin1', start, end);
    const isInteger = /^(?:0|-?[1-9][0-9]{0,18})$/.test(text);
    if (isInteger && BigInt.asIntN(64, BigInt(text)) === BigInt(text)) return 'int';
  }
  return end - start <= EMBEDDED_BYTES_MAX ? 'embstr' : 'raw';
}
