// Reads of hashes, lists, sets, sorted sets, streams and geo data. Every value here is a string, so
// the reply is WRONGTYPE if the key exists, and otherwise that of Redis for a missing key.

import type { CollectionCommand, CommandSpec } from '../commands/command-spec.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import type { ValueReply } from '../commands/backend.ts';

export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';

/** The reply for a missing key. `nils` and `zeros` have one element per argument after the key. */
type Missing =
  'nil' | 'zero' | 'list' | 'map' | 'set' | 'page' | 'nils' | 'zeros' | 'nullArrays' | 'nilOrList';

const MISSING: Record<CollectionCommand, Missing> = {
  geodist: 'nil',
  geohash: 'nils',
  geopos: 'nullArrays',
  georadius_ro: 'list',
  georadiusbymember_ro: 'list',
  geosearch: 'list',
  hexists: 'zero',
  hget: 'nil',
  hgetall: 'map',
  hkeys: 'list',
  hlen: 'zero',
  hmget: 'nils',
  hrandfield: 'nilOrList',
  hscan: 'page',
  hstrlen: 'zero',
  hvals: 'list',
  lindex: 'nil',
  llen: 'zero',
  lpos: 'nil',
  lrange: 'list',
  scard: 'zero',
  sismember: 'zero',
  smembers: 'set',
  smismember: 'zeros',
  sort_ro: 'list',
  srandmember: 'nilOrList',
  sscan: 'page',
  xlen: 'zero',
  xrange: 'list',
  xrevrange: 'list',
  zcard: 'zero',
  zcount: 'zero',
  zlexcount: 'zero',
  zmscore: 'nils',
  zrandmember: 'nilOrList',
  zrange: 'list',
  zrangebylex: 'list',
  zrangebyscore: 'list',
  zrank: 'nil',
  zrevrange: 'list',
  zrevrangebylex: 'list',
  zrevrangebyscore: 'list',
  zrevrank: 'nil',
  zscan: 'page',
  zscore: 'nil',
};

export function collectionReply(spec: CommandSpec, command: CommandArguments): ValueReply {
  const missing = MISSING[spec.name as CollectionCommand];
  const { argc } = command;
  return (out, bytes) => {
    if (bytes === undefined) writeMissing(out, missing, argc);
    else out.error(WRONG_TYPE);
  };
}

function writeMissing(out: ReplyWriter, missing: Missing, argc: number): void {
  switch (missing) {
    case 'nil':
      return out.nil();
    case 'zero':
      return out.integer(0);
    case 'list':
      return out.array(0);
    case 'map':
      return out.map(0);
    case 'set':
      return out.set(0);
    case 'nilOrList':
      return argc > 2 ? out.array(0) : out.nil();
    case 'page':
      out.array(2);
      out.bulkText('0');
      return out.array(0);
    case 'nils':
      return writeEach(out, argc, () => out.nil());
    case 'zeros':
      return writeEach(out, argc, () => out.integer(0));
    case 'nullArrays':
      return writeEach(out, argc, () => out.nullArray());
  }
}

function writeEach(out: ReplyWriter, argc: number, write: () => void): void {
  out.array(argc - 2);
  for (let at = 2; at < argc; at++) write();
}
