// Redis's commands that Stele knows and does not carry out, each with an error that says why.
//
// A client that sends SET should read that the data is immutable, not that SET is unknown.

import { defineCommand } from './command-spec.ts';
import type { CommandSpec } from './command-spec.ts';

const WRITES = `
  append bitfield bitop blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin copy decr
  decrby del expire expireat flushall flushdb geoadd georadius georadiusbymember geosearchstore
  getdel getex getset hdel hexpire hexpireat hgetdel hgetex hincrby hincrbyfloat hmset hpersist
  hpexpire hpexpireat hset hsetex hsetnx incr incrby incrbyfloat linsert lmove lmpop lpop lpush
  lpushx lrem lset ltrim migrate move mset msetnx persist pexpire pexpireat pfadd pfmerge psetex
  rename renamenx restore rpop rpoplpush rpush rpushx sadd sdiffstore set setbit setex setnx
  setrange sinterstore smove sort spop srem sunionstore swapdb unlink xack xackdel xadd xautoclaim
  xclaim xdel xdelex xgroup xreadgroup xsetid xtrim zadd zdiffstore zincrby zinterstore zmpop
  zpopmax zpopmin zrangestore zrem zremrangebylex zremrangebyrank zremrangebyscore zunionstore`;

const TRANSACTIONS = 'multi exec discard watch unwatch';
const SCRIPTS = 'eval eval_ro evalsha evalsha_ro fcall fcall_ro function script';
const CHANNELS = `
  subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe publish spublish pubsub
  monitor`;

function refused(names: string, flag: string, because: string): readonly CommandSpec[] {
  const list = names.split(/\s+/).filter((name) => name !== '');
  return list.map((name) =>
    defineCommand({
      name,
      arity: -1,
      flags: [flag],
      handler: 'refused',
      refusal: `ERR ${name.toUpperCase()} is not supported: ${because}`,
    }),
  );
}

export const REFUSED_COMMANDS: readonly CommandSpec[] = [
  ...refused(
    WRITES,
    'write',
    "the data is immutable here; load a new version with 'stele load KEYSPACE FILE'.",
  ),
  ...refused(TRANSACTIONS, 'noscript', 'there are no transactions; MGET reads one version.'),
  ...refused(SCRIPTS, 'noscript', 'there is no scripting here.'),
  ...refused('keys', 'readonly', 'it would hold up all others; use SCAN, or redis-cli --scan.'),
  ...refused(CHANNELS, 'pubsub', 'there are no channels here.'),
];
