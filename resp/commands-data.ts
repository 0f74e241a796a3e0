// The commands that need data or the cluster: answered by the backend.

import { argument, defineCommand, DEPENDS_ON_SUBCOMMAND } from './command-spec.ts';
import type { CommandSpec } from './command-spec.ts';

const KEY = argument('key', 'key');
const KEYS = argument('key', 'key', { multiple: true });
const READ_FAST = ['readonly', 'fast'];
const VARIES = ['nondeterministic_output'];
const OF_SHARDS = 'O(N) where N is the number of shards';
const OF_A_SHARD = "O(N) where N is the number of keys in the slot's shard";
/** Whose answer has some of the value in it. */
const USES_VALUE = { keyFlags: ['RO', 'access'] };
const TIMES = { ...USES_VALUE, tips: VARIES };
/** Said for many nodes at a time, a client puts together what they answer in a way of its own. */
const OF_ALL_SHARDS = [...VARIES, 'request_policy:all_shards', 'response_policy:special'];

function oneKey(
  name: string,
  summary: string,
  since: string,
  group: string,
  more: Partial<CommandSpec> = {},
): CommandSpec {
  const at = name.includes('|') ? 2 : 1;
  return defineCommand({
    name,
    arity: at + 1,
    flags: READ_FAST,
    firstKey: at,
    lastKey: at,
    keyStep: 1,
    summary,
    since,
    group,
    arguments: [KEY],
    ...more,
  });
}

function manyKeys(
  name: string,
  summary: string,
  group: string,
  more: Partial<CommandSpec>,
): CommandSpec {
  return defineCommand({
    name,
    arity: -2,
    flags: READ_FAST,
    firstKey: 1,
    lastKey: -1,
    keyStep: 1,
    summary,
    since: '1.0.0',
    group,
    arguments: [KEYS],
    ...more,
  });
}

function sub(
  name: string,
  arity: number,
  summary: string,
  more: Partial<CommandSpec> = {},
): CommandSpec {
  return defineCommand({ name, arity, flags: ['stale'], summary, ...more });
}

const STRING_COMMANDS: readonly CommandSpec[] = [
  oneKey('get', 'Get the value of a key', '1.0.0', 'string', USES_VALUE),
  manyKeys('mget', 'Get the values of all the given keys', 'string', {
    ...USES_VALUE,
    tips: ['request_policy:multi_shard'],
    complexity: 'O(N) where N is the number of keys to retrieve.',
  }),
  oneKey('strlen', 'Get the length of the value stored in a key', '2.2.0', 'string'),
  defineCommand({
    name: 'getrange',
    arity: 4,
    flags: ['readonly'],
    firstKey: 1,
    lastKey: 1,
    keyStep: 1,
    ...USES_VALUE,
    summary: 'Get a substring of the string stored at a key',
    since: '2.4.0',
    group: 'string',
    complexity: 'O(N) where N is the length of the returned string.',
    arguments: [KEY, argument('start', 'integer'), argument('end', 'integer')],
  }),
];

const KEY_COMMANDS: readonly CommandSpec[] = [
  manyKeys('exists', 'Determine if a key exists', 'generic', {
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    complexity: 'O(N) where N is the number of keys to check.',
  }),
  oneKey('type', 'Determine the type stored at key', '1.0.0', 'generic'),
  oneKey('ttl', 'Get the time to live for a key in seconds', '1.0.0', 'generic', TIMES),
  oneKey('pttl', 'Get the time to live for a key in milliseconds', '2.6.0', 'generic', TIMES),
  defineCommand({
    name: 'scan',
    arity: -2,
    barrier: true,
    flags: ['readonly'],
    tips: ['nondeterministic_output', 'request_policy:special'],
    since: '2.8.0',
    group: 'generic',
    summary: 'Incrementally iterate the keys space',
    complexity:
      'O(1) for every call. O(N) for a complete iteration, where N is the number of keys.',
    arguments: [
      argument('cursor', 'integer'),
      argument('pattern', 'pattern', { token: 'MATCH', optional: true }),
      argument('count', 'integer', { token: 'COUNT', optional: true }),
      argument('type', 'string', { token: 'TYPE', since: '6.0.0', optional: true }),
    ],
  }),
  defineCommand({
    name: 'dbsize',
    arity: 1,
    flags: READ_FAST,
    tips: ['request_policy:all_shards', 'response_policy:agg_sum'],
    since: '1.0.0',
    group: 'server',
    summary: 'Return the number of keys in the selected database',
  }),
  defineCommand({
    name: 'randomkey',
    arity: 1,
    barrier: true,
    flags: ['readonly'],
    tips: ['request_policy:all_shards', 'nondeterministic_output'],
    since: '1.0.0',
    group: 'generic',
    summary: 'Return a random key from the keyspace',
  }),
  defineCommand({
    name: 'object',
    arity: -2,
    since: '2.2.3',
    group: 'generic',
    summary: 'A container for object introspection commands',
    complexity: DEPENDS_ON_SUBCOMMAND,
    subcommands: [
      oneKey(
        'object|encoding',
        'Inspect the internal encoding of a Redis object',
        '2.2.3',
        'generic',
        { flags: ['readonly'], tips: VARIES },
      ),
    ],
  }),
  defineCommand({
    name: 'memory',
    arity: -2,
    since: '4.0.0',
    group: 'server',
    summary: 'A container for memory diagnostics commands',
    complexity: DEPENDS_ON_SUBCOMMAND,
    subcommands: [
      defineCommand({
        name: 'memory|usage',
        arity: -3,
        flags: ['readonly'],
        firstKey: 2,
        lastKey: 2,
        keyStep: 1,
        since: '4.0.0',
        group: 'server',
        summary: 'Estimate the memory usage of a key',
        arguments: [KEY, argument('count', 'integer', { token: 'SAMPLES', optional: true })],
      }),
    ],
  }),
];

const SLOT = argument('slot', 'integer');

const CLUSTER_COMMANDS: readonly CommandSpec[] = [
  defineCommand({
    name: 'info',
    arity: -1,
    flags: ['loading', 'stale'],
    tips: OF_ALL_SHARDS,
    since: '1.0.0',
    group: 'server',
    summary: 'Get information and statistics about the server',
    complexity: 'O(N) where N is the number of keyspaces',
    arguments: [argument('section', 'string', { optional: true, multiple: true })],
  }),
  defineCommand({
    name: 'cluster',
    arity: -2,
    since: '3.0.0',
    group: 'cluster',
    summary: 'A container for cluster commands',
    complexity: DEPENDS_ON_SUBCOMMAND,
    subcommands: [
      sub('cluster|info', 2, 'Provides info about Redis Cluster node state', {
        tips: VARIES,
        complexity: OF_SHARDS,
      }),
      sub('cluster|myid', 2, 'Return the node id'),
      sub('cluster|slots', 2, 'Get array of Cluster slot to node mappings', {
        tips: VARIES,
        complexity: OF_SHARDS,
      }),
      sub('cluster|shards', 2, 'Get array of cluster slots to node mappings', {
        since: '7.0.0',
        tips: VARIES,
        complexity: OF_SHARDS,
      }),
      sub('cluster|nodes', 2, 'Get Cluster config for the node', {
        tips: VARIES,
        complexity: OF_SHARDS,
      }),
      sub('cluster|keyslot', 3, 'Returns the hash slot of the specified key', {
        complexity: 'O(N) where N is the number of bytes in the key',
        arguments: [argument('key')],
      }),
      sub(
        'cluster|countkeysinslot',
        3,
        'Return the number of local keys in the specified hash slot',
        { arguments: [SLOT], barrier: true, complexity: OF_A_SHARD },
      ),
      sub('cluster|getkeysinslot', 4, 'Return local key names in the specified hash slot', {
        arguments: [SLOT, argument('count', 'integer')],
        tips: VARIES,
        barrier: true,
        complexity: OF_A_SHARD,
      }),
    ].map((spec) => ({
      ...spec,
      group: 'cluster',
      since: spec.since === '7.0.0' ? '7.0.0' : '3.0.0',
    })),
  }),
  defineCommand({
    name: 'stele',
    arity: -2,
    since: '7.0.0',
    group: 'server',
    summary: "Stele's own commands: keyspaces, versions, placement, health",
    complexity: DEPENDS_ON_SUBCOMMAND,
    subcommands: [
      sub('stele|keyspaces', 2, 'List the keyspaces with their versions and counts', {
        complexity: 'O(N) where N is the number of keyspaces',
      }),
      sub('stele|version', 2, 'The version of Stele and of the selected keyspace'),
      sub('stele|explain', 3, 'Say where a key lives: slot, shard, owners, holders', {
        arguments: [KEY],
        firstKey: 2,
        lastKey: 2,
        keyStep: 1,
      }),
      sub('stele|nodes', 2, 'List the datanodes with their state', {
        complexity: 'O(N) where N is the number of datanodes',
      }),
      sub('stele|health', 2, 'The health of the cluster: green, yellow or red, and why', {
        complexity: OF_SHARDS,
      }),
    ].map((spec) => ({
      ...spec,
      flags: ['loading', 'stale'],
      group: 'server',
      since: '7.0.0',
    })),
  }),
];

export const DATA_COMMANDS: readonly CommandSpec[] = [
  ...STRING_COMMANDS,
  ...KEY_COMMANDS,
  ...CLUSTER_COMMANDS,
];
