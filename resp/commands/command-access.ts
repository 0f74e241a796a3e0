// What each command asks of a client with --auth on. A command without an entry does not compile.

import type { BackendCommand, CommandSpec, SessionCommand } from './command-spec.ts';

/**
 * `open`: nothing; `user`: to be logged in; `read`: the right to read the selected keyspace; otherwise a
 * right on everything.
 */
export type CommandAccess = 'open' | 'user' | 'read' | 'operate' | 'admin';

const BACKEND: Readonly<Record<BackendCommand, 'user' | 'read'>> = {
  'cluster|countkeysinslot': 'read',
  'cluster|getkeysinslot': 'read',
  dbsize: 'read',
  get: 'read',
  info: 'user',
  keys: 'read',
  mget: 'read',
  randomkey: 'read',
  scan: 'read',
  'stele|explain': 'read',
  'stele|health': 'user',
  'stele|hotkeys': 'read',
  'stele|keyspaces': 'user',
  'stele|nodes': 'user',
  'stele|version': 'read',
};

/** Commands of a connection about itself ask for nothing but a login. */
const SESSION: Readonly<Partial<Record<SessionCommand, CommandAccess>>> = {
  auth: 'open',
  hello: 'open',
  quit: 'open',
  reset: 'open',
  // About other clients, or for all of them.
  'client|kill': 'operate',
  'client|list': 'operate',
  'config|resetstat': 'operate',
  'acl|dryrun': 'admin',
  'acl|getuser': 'admin',
  'acl|list': 'admin',
  'acl|log': 'admin',
  'acl|users': 'admin',
};

/** Whether a command changes something for others than its client, and belongs into the audit log. */
export function changesOthers({ name }: CommandSpec): boolean {
  return name === 'client|kill' || name === 'config|resetstat';
}

export function accessOfCommand({ handler, name }: CommandSpec): CommandAccess {
  switch (handler) {
    case 'backend':
      return BACKEND[name as BackendCommand];
    case 'session':
      return SESSION[name as SessionCommand] ?? 'user';
    // The topology of the cluster.
    case 'cluster':
      return 'user';
    // Values, and sections whose commands never run.
    default:
      return 'read';
  }
}
