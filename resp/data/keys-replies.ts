// Replies made of the values of several keys: a backend finds the values, this file writes the
// reply.

import type { KeysReply } from '../commands/backend.ts';
import { WRONG_TYPE } from './collection-replies.ts';
import type { CommandSpec, KeysCommand } from '../commands/command-spec.ts';
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

/** The reply to a command of the section keys. Throws for wrong arguments. */
export function keysReply(spec: CommandSpec, command: CommandArguments): KeysReply {
  return KEYS_REPLIES[spec.name as KeysCommand](command);
}

/** The reply to a command for collections, of which there are none; WRONGTYPE if a key exists. */
function ofCollections(writeMissing: (out: ReplyWriter) => void): KeysReply {
  return {
    readsValues: false,
    write: (out, _, foundCount) => {
      if (foundCount > 0) out.error(WRONG_TYPE);
      else writeMissing(out);
    },
  };
}
