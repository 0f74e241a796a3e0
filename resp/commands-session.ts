// The commands that need only the connection's session: answered by session-commands.ts.

import { argument, defineCommand, DEPENDS_ON_SUBCOMMAND, oneOf } from './command-spec.ts';
import type { CommandSpec } from './command-spec.ts';

const ANY_TIME = ['loading', 'stale', 'fast'];
const HANDSHAKE = ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'];
const UNSCRIPTED = ['noscript', 'loading', 'stale'];
const ADMIN = ['admin', ...UNSCRIPTED];
const SLOW = ['loading', 'stale'];
const UNORDERED = ['nondeterministic_output_order'];
const VARIES = ['nondeterministic_output'];
const OF_ALL_NODES = ['request_policy:all_nodes', 'response_policy:special'];

function session(
  name: string,
  arity: number,
  since: string,
  summary: string,
  more: Partial<CommandSpec> = {},
): CommandSpec {
  return defineCommand({
    name,
    arity,
    since,
    summary,
    handler: 'session',
    flags: ANY_TIME,
    group: 'connection',
    ...more,
  });
}

const OF_COMMANDS = 'O(N) where N is the total number of commands';
const OF_NAMED_COMMANDS = 'O(N) where N is the number of commands to look up';
const COMMAND_NAMES = argument('command-name', 'string', { optional: true, multiple: true });
const ON_OFF = oneOf('enabled', ['ON', 'OFF']);

const CLIENT = session('client', -2, '2.4.0', 'A container for client connection commands', {
  flags: [],
  complexity: DEPENDS_ON_SUBCOMMAND,
  subcommands: [
    session('client|id', 2, '5.0.0', 'Returns the client ID for the current connection'),
    session('client|info', 2, '6.2.0', 'Returns information about the current client connection', {
      tips: VARIES,
    }),
    session('client|list', -2, '2.4.0', 'Get the list of client connections', {
      flags: ADMIN,
      tips: VARIES,
      complexity: 'O(N) where N is the number of client connections',
      arguments: [
        oneOf('normal_master_replica_pubsub', ['NORMAL', 'MASTER', 'REPLICA', 'PUBSUB'], {
          token: 'TYPE',
          since: '5.0.0',
          optional: true,
        }),
        argument('id', 'block', {
          token: 'ID',
          since: '6.2.0',
          optional: true,
          arguments: [argument('client-id', 'integer', { multiple: true })],
        }),
      ],
    }),
    session('client|getname', 2, '2.6.9', 'Get the current connection name'),
    session('client|setname', 3, '2.6.9', 'Set the current connection name', {
      arguments: [argument('connection-name')],
    }),
    session('client|setinfo', 4, '7.2.0', 'Set client or connection specific info', {
      arguments: [
        argument('attr', 'oneof', {
          arguments: [
            argument('libname', 'string', { token: 'LIB-NAME' }),
            argument('libver', 'string', { token: 'LIB-VER' }),
          ],
        }),
      ],
    }),
    session('client|no-evict', 3, '7.0.0', 'Set client eviction mode for the current connection', {
      flags: ADMIN,
      arguments: [ON_OFF],
    }),
    session('client|no-touch', 3, '7.2.0', 'Controls whether commands alter the LRU of keys', {
      arguments: [ON_OFF],
    }),
    session('client|reply', 3, '3.2.0', 'Instruct the server whether to reply to commands', {
      arguments: [oneOf('on_off_skip', ['ON', 'OFF', 'SKIP'])],
    }),
  ].map((spec) => ({ ...spec, flags: spec.flags === ADMIN ? ADMIN : UNSCRIPTED })),
});

const COMMAND = session('command', -1, '2.8.13', 'Get array of Redis command details', {
  flags: SLOW,
  tips: UNORDERED,
  group: 'server',
  complexity: OF_COMMANDS,
  subcommands: [
    session('command|count', 2, '2.8.13', 'Get total number of Redis commands'),
    session('command|docs', -2, '7.0.0', 'Get array of specific Redis command documentation', {
      tips: UNORDERED,
      complexity: OF_NAMED_COMMANDS,
      arguments: [COMMAND_NAMES],
    }),
    session('command|info', -2, '2.8.13', 'Get array of specific Redis command details', {
      tips: UNORDERED,
      complexity: OF_NAMED_COMMANDS,
      arguments: [COMMAND_NAMES],
    }),
    session('command|getkeys', -4, '2.8.13', 'Extract keys given a full Redis command', {
      complexity: 'O(N) where N is the number of arguments to the command',
      arguments: [
        argument('command'),
        argument('arg', 'string', { optional: true, multiple: true }),
      ],
    }),
    session('command|list', -2, '7.0.0', 'Get an array of Redis command names', {
      tips: UNORDERED,
      complexity: OF_COMMANDS,
      arguments: [
        argument('filterby', 'oneof', {
          token: 'FILTERBY',
          optional: true,
          arguments: [
            argument('module-name', 'string', { token: 'MODULE' }),
            argument('category', 'string', { token: 'ACLCAT' }),
            argument('pattern', 'pattern', { token: 'PATTERN' }),
          ],
        }),
      ],
    }),
  ].map((spec) => ({ ...spec, flags: SLOW, group: 'server' })),
});

const LATENCY = session('latency', -2, '2.8.13', 'A container for latency diagnostics commands', {
  flags: [],
  group: 'server',
  complexity: DEPENDS_ON_SUBCOMMAND,
  subcommands: [
    session('latency|latest', 2, '2.8.13', 'Return the latest latency samples for all events', {
      tips: [...VARIES, ...OF_ALL_NODES],
    }),
    session('latency|reset', -2, '2.8.13', 'Reset latency data for one or more events', {
      tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
      arguments: [argument('event', 'string', { optional: true, multiple: true })],
    }),
  ].map((spec) => ({ ...spec, flags: ADMIN, group: 'server' })),
});

const HELLO = session('hello', -1, '6.0.0', 'Handshake with Redis', {
  flags: HANDSHAKE,
  barrier: true,
  arguments: [
    argument('arguments', 'block', {
      optional: true,
      arguments: [
        argument('protover', 'integer'),
        argument('username_password', 'block', {
          token: 'AUTH',
          optional: true,
          arguments: [argument('username'), argument('password')],
        }),
        argument('clientname', 'string', { token: 'SETNAME', optional: true }),
      ],
    }),
  ],
});

export const SESSION_COMMANDS: readonly CommandSpec[] = [
  session('ping', -1, '1.0.0', 'Ping the server', {
    flags: ['fast'],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    arguments: [argument('message', 'string', { optional: true })],
  }),
  session('echo', 2, '1.0.0', 'Echo the given string', { arguments: [argument('message')] }),
  HELLO,
  session('auth', -2, '1.0.0', 'Authenticate to the server', {
    flags: HANDSHAKE,
    arguments: [
      argument('username', 'string', { since: '6.0.0', optional: true }),
      argument('password'),
    ],
  }),
  session('select', 2, '1.0.0', 'Select the keyspace of this connection, by name or index', {
    arguments: [argument('keyspace')],
  }),
  session('quit', -1, '1.0.0', 'Close the connection', { flags: HANDSHAKE }),
  session('reset', 1, '6.2.0', 'Reset the connection', { barrier: true, flags: HANDSHAKE }),
  CLIENT,
  COMMAND,
  session('config', -2, '2.0.0', 'A container for server configuration commands', {
    flags: [],
    group: 'server',
    complexity: DEPENDS_ON_SUBCOMMAND,
    subcommands: [
      session('config|get', -3, '2.0.0', 'Get the values of configuration parameters', {
        flags: ADMIN,
        group: 'server',
        complexity: 'O(N) when N is the number of configuration parameters provided',
        arguments: [
          argument('parameter', 'block', { multiple: true, arguments: [argument('parameter')] }),
        ],
      }),
    ],
  }),
  session('time', 1, '2.6.0', 'Return the current server time', {
    group: 'server',
    tips: VARIES,
  }),
  LATENCY,
  session('readonly', 1, '3.0.0', 'Enables read queries for a connection to a replica', {
    group: 'cluster',
  }),
  session('readwrite', 1, '3.0.0', 'Disables read queries for a connection to a replica', {
    group: 'cluster',
  }),
  session('asking', 1, '3.0.0', 'Sent by cluster clients after an -ASK redirect', {
    flags: ['fast'],
    group: 'cluster',
  }),
];
