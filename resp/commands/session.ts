// The state of one connection: protocol, keyspace, names, reply mode.
//
// Plain data: the connection owns it, session-commands.ts changes it, backends read it.

import type { Subject } from '../../access/subject.ts';
import type { RespProtocol } from '../wire/encoder.ts';
import type { QueuedCommand, Transaction } from './transaction.ts';

/** A keyspace as SELECT identifies it. */
export interface KeyspaceRef {
  readonly name: string;
  readonly index: number;
}

/** CLIENT REPLY: `skip-next` mutes the following command, `skip` is that command. */
export type ReplyMode = 'on' | 'off' | 'skip-next' | 'skip';

const KEYSPACE_DEFAULT: KeyspaceRef = { name: 'default', index: 0 };

/** Equals no generation. */
const NOT_CLEARED = -1;

/** The settings of CLIENT TRACKING ON. */
export interface Tracking {
  /** Words of TRACKINGINFO: bcast, optin, optout, noloop. */
  readonly options: readonly string[];
  readonly prefixes: readonly string[];
  /** The connection that receives the messages instead; 0: this one. */
  readonly redirect: number;
  /** CLIENT CACHING, for the next command. */
  caching: 'yes' | 'no' | undefined;
  /** The dataset (see `CommandBackend.datasetOf`) of the last notification. */
  dataset: string;
}

export const NOTHING: readonly QueuedCommand[] = [];

/** The state of one connection. Times are of the monotonic clock, in ms. */
export class Session {
  readonly id: number;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly createdMs: number;
  /** Whether it is a connection with TLS. */
  isTls = false;
  lastCommandMs: number;
  lastCommand = 'NULL';
  protocol: RespProtocol = 2;
  keyspace: KeyspaceRef = KEYSPACE_DEFAULT;
  name = '';
  libraryName = '';
  libraryVersion = '';
  replyMode: ReplyMode = 'on';
  /** The user name sent with AUTH or HELLO. */
  user = 'default';
  /** Who has logged in, with --auth on; before a login, `certified`. */
  subject: Subject | undefined;
  /** The user of the client's certificate. */
  certified: Subject | undefined;
  /** The generation of users and roles by which it may read its keyspace (gate.ts). */
  clearedAt = 0;
  /** The open transaction, from MULTI on. */
  transaction: Transaction | undefined;
  /** The commands that EXEC has released; the connection runs them at once and empties the list. */
  executing: readonly QueuedCommand[] = NOTHING;
  /** Datasets at the time of WATCH, by keyspace. */
  watched: Map<string, string> | undefined;
  tracking: Tracking | undefined;
  /** Whether SUBSCRIBE to the invalidation channel was sent. */
  subscribed = false;
  /** Whether READONLY was sent: this client reads from replicas. */
  readonlyMode = false;
  /** Whether QUIT was sent: close once everything before it is answered. */
  closing = false;

  constructor(id: number, remoteAddress: string, localAddress: string, nowMs: number) {
    this.id = id;
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
    this.createdMs = nowMs;
    this.lastCommandMs = nowMs;
  }

  /** `remoteAddress` without the port. */
  get remoteHost(): string {
    return this.remoteAddress.slice(0, this.remoteAddress.lastIndexOf(':'));
  }

  /** Selects a keyspace, and has the next command checked. */
  moveTo(keyspace: KeyspaceRef): void {
    this.keyspace = keyspace;
    this.clearedAt = NOT_CLEARED;
  }

  /** Makes this the user of the connection, in `keyspace`. */
  enter(subject: Subject, keyspace: KeyspaceRef): void {
    this.subject = subject;
    this.user = subject.name;
    this.moveTo(keyspace);
  }

  /** Restores the initial state, as RESET does; the connection stays open. */
  reset(keyspace: KeyspaceRef = KEYSPACE_DEFAULT): void {
    this.protocol = 2;
    this.subject = this.certified;
    this.moveTo(keyspace);
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
