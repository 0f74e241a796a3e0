// The port between the protocol and whoever has the data.
//
// A datanode answers at once: `execute` writes the reply and returns undefined; nothing is allocated
// per command. A master answers later: `execute` puts the keys into its batch of this turn and
// returns a PendingReply. Replies still go out in the order of the commands.
//
//   connection --execute--> backend          every command of the turn
//   connection --endTurn--> backend          once: send what was collected
//   backend    --replyReady--> connection    later, per reply: `done` is true and stays so
//   connection --write--> pending            when it is the oldest unanswered one

import type { Logger } from '../base/log.ts';
import type { CommandSpec } from './command-spec.ts';
import type { CommandArguments } from './decoder.ts';
import type { ReplyWriter } from './encoder.ts';
import type { KeyspaceRef, Session } from './session.ts';

/** Whom a pending reply tells that it is done. */
export interface PendingReplyWaiter {
  replyReady(pending: PendingReply): void;
}

/**
 * A reply that is not known yet. The backend sets `done` first, then calls
 * `waiter?.replyReady(this)` exactly once. It must end: with a value, or an error after a deadline.
 */
export interface PendingReply {
  readonly done: boolean;
  /** About the bytes `write` will write; 0 while unknown. Counts towards the connection's limit. */
  readonly replyBytes: number;
  /** Set by the connection at once after `execute`; undefined again when nobody waits any more. */
  waiter: PendingReplyWaiter | undefined;
  /** Writes the whole reply; called at most once, after `done`. */
  write(out: ReplyWriter): void;
}

/** Facts about the server that HELLO, CONFIG and CLIENT show. */
export interface ServerFacts {
  /** The Redis version whose behaviour is followed, e.g. `7.2.0`; clients look at it. */
  readonly redisVersion: string;
  readonly mode: 'standalone' | 'cluster';
  readonly role: 'master' | 'replica';
  /** Keyspaces that can be selected by index are 0 .. databases - 1. */
  readonly databases: number;
  /** More CONFIG GET parameters, or others than the defaults. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface CommandBackend {
  /**
   * Answers one command of the table whose handler is `backend`; its arity is right and its keys
   * are within KEY_BYTES_MAX. `spec.name` says which (`get`, `cluster|slots`).
   * Writes exactly one reply to `out`, or writes nothing and returns a PendingReply.
   * `command` is valid during the call only. A thrown SteleError becomes the reply.
   */
  execute(
    spec: CommandSpec,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined;

  /** The keyspace of that name or decimal index; undefined if there is none. */
  resolveKeyspace(nameOrIndex: string): KeyspaceRef | undefined;

  facts(): ServerFacts;

  /**
   * Called before a turn and after every 16 commands of it: `bytes[at, end)` have
   * arrived and will be given to `execute`, command by command, unless something ends the turn. They
   * do not move before the next call.
   */
  lookAhead?(bytes: Uint8Array, at: number, end: number, session: Session): void;

  /** Called at the end of a turn in which `execute` returned a PendingReply. */
  endTurn?(): void;
}

/** What commands may use besides their own session; one for all connections of a listener. */
export interface ServerContext {
  readonly backend: CommandBackend;
  readonly log: Logger;
  /** The sessions of all open connections, for CLIENT LIST. */
  sessions(): Iterable<Session>;
  nowMs(): number;
}
