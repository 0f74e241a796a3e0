// What one connection has agreed with the server: protocol, keyspace, names, reply mode.
//
// Plain data: the connection owns it, session-commands.ts changes it, backends read it.

import type { RespProtocol } from './encoder.ts';

/** A keyspace as SELECT knows it. */
export interface KeyspaceRef {
  readonly name: string;
  readonly index: number;
}

/** CLIENT REPLY: `skip-next` mutes the following command, `skip` is that command. */
export type ReplyMode = 'on' | 'off' | 'skip-next' | 'skip';

const KEYSPACE_DEFAULT: KeyspaceRef = { name: 'default', index: 0 };

/** State of one connection. Times are of the monotonic clock. */
export class Session {
  readonly id: number;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly createdMs: number;
  lastCommandMs: number;
  lastCommand = 'NULL';
  protocol: RespProtocol = 2;
  keyspace: KeyspaceRef = KEYSPACE_DEFAULT;
  name = '';
  libraryName = '';
  libraryVersion = '';
  replyMode: ReplyMode = 'on';
  /** READONLY was sent: this client reads from replicas. */
  readonlyMode = false;
  /** QUIT was sent: close once everything before it is answered. */
  closing = false;

  constructor(id: number, remoteAddress: string, localAddress: string, nowMs: number) {
    this.id = id;
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
    this.createdMs = nowMs;
    this.lastCommandMs = nowMs;
  }

  /** As RESET leaves it: everything agreed is forgotten, the connection stays. */
  reset(keyspace: KeyspaceRef = KEYSPACE_DEFAULT): void {
    this.protocol = 2;
    this.keyspace = keyspace;
    this.name = '';
    this.replyMode = 'on';
    this.readonlyMode = false;
  }
}
