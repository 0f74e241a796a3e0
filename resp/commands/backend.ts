// The port between the protocol and the data.
//
// A datanode answers at once: `execute` writes the reply and returns undefined; nothing is
// allocated per command. A master answers later: `execute` adds the keys to its batch of this turn
// and returns a PendingReply. Replies still leave in the order of the commands.
//
//   connection --execute--> backend          every command of the turn
//   connection --endTurn--> backend          once: send the collected keys
//   backend    --replyReady--> connection    later, per reply: `done` is true and stays so (pending-reply.ts)
//   connection --write--> pending            when it is the oldest unanswered one

import type { Logger } from '../../base/log.ts';
import type { CommandTimes } from './command-times.ts';
import type { Gate } from './gate.ts';
import type { CommandSpec, SessionCommand } from './command-spec.ts';
import type { PendingReply } from './pending-reply.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import type { KeyspaceRef, Session } from './session.ts';

/** Facts about the server for HELLO, CONFIG and CLIENT. */
export interface ServerFacts {
  /** The Redis version whose behaviour is followed, such as `7.4.0`; clients check it. */
  readonly redisVersion: string;
  readonly mode: 'standalone' | 'cluster';
  readonly role: 'master' | 'replica';
  /** Keyspaces that can be selected by index are 0 .. databases - 1. */
  readonly databases: number;
  /** Additional CONFIG GET parameters, or other values than the defaults. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface CommandBackend {
  /**
   * Answers one command that needs data (see command-spec.ts). Its arity has been checked, and its
   * keys are within KEY_BYTES_MAX. `spec.name` identifies it (`get`, `cluster|slots`). Writes
   * exactly one reply to `out`, or writes nothing and returns a PendingReply. `command` is valid
   * only during the call. A thrown SteleError becomes the reply.
   */
  execute(
    spec: CommandSpec,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined;

  /**
   * Whether the keys of a command that waits for EXEC cannot be read here; if so, the error is
   * written. As in Redis Cluster, MOVED comes before EXEC, so that clients send the transaction to
   * the right node. May throw SteleError.
   */
  refusesKeys?(
    spec: CommandSpec,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): boolean;

  /** The keyspace with that name or decimal index; undefined if there is none. */
  resolveKeyspace(nameOrIndex: string): KeyspaceRef | undefined;

  /**
   * Identifies the version that reads of a keyspace use: the text changes whenever another version
   * goes live. Empty if there is none.
   */
  datasetOf(keyspaceName: string): string;

  /**
   * Calls `onChange` whenever a result of `datasetOf` may have changed, for as long as the process
   * runs.
   */
  watchDatasets(onChange: () => void): void;

  facts(): ServerFacts;

  /**
   * Called before a turn and after every 16 commands of it: `bytes[at, end)` have arrived and will
   * be passed to `execute` as commands, unless something ends the turn. The bytes do not move
   * before the next call.
   */
  lookAhead?(bytes: Uint8Array, at: number, end: number, session: Session): void;

  /** Called after the commands of a turn, with the time that they took. */
  noteTurn?(tookMs: number): void;

  /** Called at the end of a turn in which `execute` returned a PendingReply. */
  endTurn?(): void;
}

/** Answers one command that needs data, at once or later (`CommandBackend.execute`). */
export type BackendHandler = (
  command: CommandArguments,
  session: Session,
  out: ReplyWriter,
) => PendingReply | undefined;

/**
 * Writes the reply to one key, whose value is bytes[start, end) of memory that never changes.
 * `bytes` is undefined if the key does not exist.
 */
export type ValueReply = (
  out: ReplyWriter,
  bytes: Buffer | undefined,
  start: number,
  end: number,
) => void;

/** The reply to several keys. */
export interface KeysReply {
  /** Whether `write` uses the values; otherwise it gets none. */
  readonly readsValues: boolean;
  /** Writes the reply; the value of a missing key is undefined. */
  write(out: ReplyWriter, values: readonly (Buffer | undefined)[], foundCount: number): void;
}

/** Wraps a function that writes the reply at once as a handler. */
export function atOnce(
  write: (command: CommandArguments, session: Session, out: ReplyWriter) => void,
): BackendHandler {
  return (command, session, out) => {
    write(command, session, out);
    return undefined;
  };
}

/**
 * Answers one command of the section session; writes exactly one reply. A thrown SteleError becomes
 * the reply.
 */
export type SessionHandler = (
  command: CommandArguments,
  out: ReplyWriter,
  session: Session,
  context: ServerContext,
) => void;

export type SessionHandlers = Record<SessionCommand, SessionHandler>;

/**
 * What commands may use in addition to their own session; one for all connections of a listener.
 */
export interface ServerContext {
  readonly backend: CommandBackend;
  readonly gate: Gate;
  readonly log: Logger;
  /** The sessions of all open connections, for CLIENT LIST. */
  sessions(): Iterable<Session>;
  /**
   * Closes the connections whose sessions are marked as closing; that of `running` closes after its
   * reply.
   */
  closeMarked(running: Session): void;
  readonly times: CommandTimes;
  nowMs(): number;
}
