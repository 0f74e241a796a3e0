// What one connection has agreed with the server: protocol, keyspace, names, reply mode.
//
// Plain data: the connection owns it, session-commands.ts changes it, backends read it.

import type { RespProtocol } from '../wire/encoder.ts';
import type { QueuedCommand, Transaction } from './transaction.ts';

/** A keyspace as SELECT knows it. */
export interface KeyspaceRef {
  readonly name: string;
  readonly index: number;
}

/** CLIENT REPLY: `skip-next` mutes the following command, `skip` is that command. */
export type ReplyMode = 'on' | 'off' | 'skip-next' | 'skip';

const KEYSPACE_DEFAULT: KeyspaceRef = { name: 'default', index: 0 };

/** What a connection has asked for with CLIENT TRACKING ON. */
export interface Tracking {
  /** Words of TRACKINGINFO: bcast, optin, optout, noloop. */
  readonly options: readonly string[];
  readonly prefixes: readonly string[];
  /** The connection that is told instead; 0: this one. */
  readonly redirect: number;
  /** CLIENT CACHING, for what comes next. */
  caching: 'yes' | 'no' | undefined;
  /** What the selected keyspace held when this client was told last. */
  dataset: string;
}

export const NOTHING: readonly QueuedCommand[] = [];

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
  /** By whose name AUTH or HELLO was sent. */
  user = 'default';
  /** Since MULTI. */
  transaction: Transaction | undefined;
  /** What EXEC lets loose; the connection runs it at once and empties it. */
  executing: readonly QueuedCommand[] = NOTHING;
  /** WATCH: what each keyspace held then. */
  watched: Map<string, string> | undefined;
  tracking: Tracking | undefined;
  /** SUBSCRIBE to the channel of invalidations was sent. */
  subscribed = false;
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
    this.user = 'default';
    this.transaction = undefined;
    this.watched = undefined;
    this.tracking = undefined;
    this.subscribed = false;
  }
}
