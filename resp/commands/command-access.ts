// What each command asks of a client with --auth on. A command of the sections below without an
// entry does not compile; what needs the value of a key asks for the right to read it.

import type {
  BackendCommand,
  ClusterCommand,
  CommandSpec,
  SessionCommand,
} from './command-spec.ts';

/**
 * `open`: nothing; `user`: to be logged in; `read`: the right to read the selected keyspace;
 * otherwise a right on everything.
 */
export type CommandAccess = 'open' | 'user' | 'read' | 'operate' | 'admin';

const BACKEND: Readonly<Record<BackendCommand, 'user' | 'read'>> = {
  ...each('read', ['cluster|countkeysinslot', 'cluster|getkeysinslot', 'dbsize', 'get', 'keys']),
  ...each('read', ['mget', 'randomkey', 'scan', 'stele|explain', 'stele|hotkeys', 'stele|version']),
  ...each('user', ['info', 'stele|health', 'stele|keyspaces', 'stele|nodes']),
};

/** The topology of the cluster. */
const CLUSTER: Readonly<Record<ClusterCommand, 'user'>> = each('user', [
  'cluster|count-failure-reports',
  'cluster|info',
  'cluster|keyslot',
  'cluster|links',
  'cluster|myid',
  'cluster|myshardid',
  'cluster|nodes',
  'cluster|replicas',
  'cluster|shards',
  'cluster|slaves',
  'cluster|slots',
]);

const SESSION: Readonly<Record<SessionCommand, CommandAccess>> = {
  ...each('open', ['auth', 'hello', 'quit', 'reset']),
  // About other clients and their keys, or for all of them.
  ...each('operate', ['client|kill', 'client|list', 'client|unblock', 'config|resetstat']),
  ...each('operate', ['config|set', 'latency|reset', 'slowlog|get', 'slowlog|reset']),
  ...each('admin', ['acl|dryrun', 'acl|getuser', 'acl|list', 'acl|log', 'acl|users']),
  // About the connection itself, and about nobody.
  ...each('user', ['acl|cat', 'acl|whoami', 'asking', 'echo', 'ping', 'select', 'wait']),
  ...each('user', ['client|caching', 'client|getname', 'client|getredir', 'client|id']),
  ...each('user', ['client|info', 'client|no-evict', 'client|no-touch', 'client|reply']),
  ...each('user', ['client|setinfo', 'client|setname', 'client|tracking', 'client|trackinginfo']),
  ...each('user', ['command', 'command|count', 'command|docs', 'command|getkeys']),
  ...each('user', ['command|info', 'command|list', 'config|get', 'lastsave', 'module|list']),
  ...each('user', ['discard', 'exec', 'multi', 'unwatch', 'watch', 'subscribe', 'unsubscribe']),
  ...each('user', ['latency|doctor', 'latency|graph', 'latency|histogram', 'latency|history']),
  ...each('user', ['latency|latest', 'memory|doctor', 'memory|purge', 'memory|stats']),
  ...each('user', ['readonly', 'readwrite', 'role', 'slowlog|len', 'time']),
};

const CHANGES_OTHERS: ReadonlySet<string> = new Set<SessionCommand>([
  'client|kill',
  'config|resetstat',
  'config|set',
  'latency|reset',
  'slowlog|reset',
]);

/**
 * Whether a command changes something for others than its client, and belongs into the audit log.
 */
export function changesOthers({ name }: CommandSpec): boolean {
  return CHANGES_OTHERS.has(name);
}

export function accessOfCommand({ handler, name }: CommandSpec): CommandAccess {
  switch (handler) {
    case 'backend':
      return BACKEND[name as BackendCommand];
    case 'session':
      return SESSION[name as SessionCommand];
    case 'cluster':
      return CLUSTER[name as ClusterCommand];
    // Values, and sections whose commands never run.
    case 'value':
    case 'keys':
    case 'collection':
    case 'container':
    case 'refused':
      return 'read';
  }
}

function each<const Asked extends CommandAccess, const Name extends string>(
  asked: Asked,
  names: readonly Name[],
): Record<Name, Asked> {
  return Object.fromEntries(names.map((name) => [name, asked])) as Record<Name, Asked>;
}
