import { describe, expect, it } from 'vitest';
import {
  COMMANDS,
  arityFits,
  findCommand,
  findCommandByName,
} from '../../../resp/commands/command-table.ts';

/** The commands that docs/redis.md promises. */
const CONTRACT = `GET MGET EXISTS STRLEN GETRANGE TYPE TTL PTTL SCAN DBSIZE RANDOMKEY OBJECT|ENCODING
  MEMORY|USAGE PING ECHO HELLO AUTH SELECT QUIT RESET COMMAND|COUNT COMMAND|DOCS COMMAND|INFO
  COMMAND|GETKEYS COMMAND|LIST INFO CONFIG|GET CLIENT|ID CLIENT|INFO CLIENT|LIST CLIENT|GETNAME
  CLIENT|SETNAME CLIENT|SETINFO CLIENT|NO-EVICT CLIENT|NO-TOUCH CLIENT|REPLY TIME LATENCY|RESET
  LATENCY|LATEST CLUSTER|INFO CLUSTER|MYID CLUSTER|SLOTS CLUSTER|SHARDS CLUSTER|NODES
  CLUSTER|KEYSLOT CLUSTER|COUNTKEYSINSLOT CLUSTER|GETKEYSINSLOT READONLY READWRITE ASKING
  STELE|KEYSPACES STELE|VERSION STELE|EXPLAIN STELE|NODES STELE|HEALTH`;

describe('the command table', () => {
  it.each(CONTRACT.split(/\s+/))('has %s', (name) => {
    const spec = findCommandByName(name);
    expect(spec?.name).toBe(name.toLowerCase());
    expect(spec?.handler).not.toBe('refused');
    expect(spec?.summary).not.toBe('');
  });

  it('finds every command by its bytes in any case, and nothing else', () => {
    for (const { name } of COMMANDS) {
      const mixed = Buffer.from(`x${name.toUpperCase()}y`);
      expect(findCommand(mixed, 1, mixed.length - 1)?.name).toBe(name);
      expect(findCommand(mixed, 0, mixed.length)).toBeUndefined();
    }
    expect(findCommand(Buffer.alloc(0), 0, 0)).toBeUndefined();
    expect(findCommand(Buffer.from('g%t'), 0, 3)).toBeUndefined();
  });

  it('names no command twice', () => {
    const names = COMMANDS.map((spec) => spec.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('counts arguments as Redis does, the name included', () => {
    const get = findCommandByName('get');
    const mget = findCommandByName('mget');
    if (get === undefined || mget === undefined) throw new Error('missing');
    expect([1, 2, 3].map((argc) => arityFits(get, argc))).toEqual([false, true, false]);
    expect([1, 2, 3].map((argc) => arityFits(mget, argc))).toEqual([false, true, true]);
  });
});
