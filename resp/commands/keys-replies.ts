// Replies that are made of the values of several keys: both backends find them, this says what is answered.

import type { KeysReply } from './backend.ts';
import { WRONG_TYPE } from './collection-replies.ts';
import type { CommandSpec, KeysCommand } from './command-spec.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { lcsReply } from './lcs.ts';

/** MGET. */
export const MANY_VALUES: KeysReply = {
  readsValues: true,
  write: (out, values) => {
    out.array(values.length);
    for (const value of values) {
      if (value === undefined) out.nil();
      else out.bulkImmutable(value);
    }
  },
};

const COUNT: KeysReply = {
  readsValues: false,
  write: (out, _, foundCount) => out.integer(foundCount),
};

const KEYS_REPLIES: Record<KeysCommand, (command: CommandArguments) => KeysReply> = {
  exists: () => COUNT,
  touch: () => COUNT,
  pfcount: () => ofCollections((out) => out.integer(0)),
  sdiff: () => ofCollections((out) => out.set(0)),
  sinter: () => ofCollections((out) => out.set(0)),
  sunion: () => ofCollections((out) => out.set(0)),
  lcs: lcsReply,
};

/** The reply to a command of the section keys. Throws what is wrong with its arguments. */
export function keysReply(spec: CommandSpec, command: CommandArguments): KeysReply {
  return KEYS_REPLIES[spec.name as KeysCommand](command);
}

/** Of another type than strings: there are none, unless a key is there and is a string. */
function ofCollections(writeMissing: (out: ReplyWriter) => void): KeysReply {
  return {
    readsValues: false,
    write: (out, _, foundCount) => {
      if (foundCount > 0) out.error(WRONG_TYPE);
      else writeMissing(out);
    },
  };
}
