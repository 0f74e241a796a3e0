// Whether a client may run a command, with --auth on.
//
// A session that may read its keyspace is cleared for the present generation of users and roles, so
// that a read costs one comparison of two numbers more. Session.moveTo ends that.

import type { Access } from '../../access/access.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { nameOf } from '../../access/audit/audit.ts';
import type { Attempt, Audit } from '../../access/audit/audit.ts';
import { accessOfCommand, changesOthers } from './command-access.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Session } from './session.ts';

const NOT_LOGGED_IN = 'NOAUTH Authentication required.';
const NOT_READABLE = 'NOPERM No permissions to access a key';

export class Gate {
  /** Undefined: without --auth on, everything is allowed. */
  readonly access: Access | undefined;
  readonly #audit: Audit | undefined;

  /** Refused commands, and changes for other clients, are noted in `audit`. */
  constructor(access?: Access, audit?: Audit) {
    this.access = access;
    this.#audit = audit;
  }

  /** Sessions whose `clearedAt` equals it may run every command that needs data. */
  get generation(): number {
    return this.access === undefined ? 0 : this.access.generation;
  }

  /** Whether the client has yet to log in. */
  isStranger({ subject }: Session): boolean {
    return this.access !== undefined && subject === undefined;
  }

  /**
   * Whether a session that is not cleared may run a command; if not, writes the error. Clears it if
   * it can.
   */
  admits(spec: CommandSpec, session: Session, out: ReplyWriter): boolean {
    const asked = accessOfCommand(spec);
    const { subject } = session;
    if (this.access === undefined || subject?.may('read', session.keyspace.name) === true) {
      session.clearedAt = this.generation;
      return true;
    }
    if (asked === 'open') return true;
    if (subject?.isLive === true && asked !== 'read') return true;
    const isLive = subject?.isLive === true;
    const keyspace = isLive ? session.keyspace.name : '';
    this.refused(session, spec.name, isLive ? 'PERMISSION_DENIED' : 'UNAUTHENTICATED', keyspace);
    out.error(isLive ? NOT_READABLE : NOT_LOGGED_IN);
    return false;
  }

  /**
   * Whether a command that needs no data asks for a right that the session lacks; if so, writes the
   * error.
   */
  forbids(spec: CommandSpec, session: Session, out: ReplyWriter): boolean {
    const asked = accessOfCommand(spec);
    if (asked !== 'operate' && asked !== 'admin') return false;
    const { subject, user } = session;
    if (this.access === undefined || subject?.may(asked) === true) {
      if (changesOthers(spec)) this.#note(session, spec.name, 'OK');
      return false;
    }
    this.refused(session, spec.name, 'PERMISSION_DENIED');
    out.error(`NOPERM User ${user} has no permissions to run the '${spec.name}' command`);
    return true;
  }

  /** Notes a refused command; `user` is the name in a login that was refused. */
  refused(
    session: Session,
    command: string,
    result: 'UNAUTHENTICATED' | 'PERMISSION_DENIED',
    keyspace = '',
    user?: string,
  ): void {
    this.#note(session, command, result, keyspace, user);
  }

  #note(
    { id, remoteHost, subject }: Session,
    what: string,
    result: Attempt['result'],
    keyspace = '',
    user = subject && nameOf(subject),
  ): void {
    this.#audit?.note({
      door: 'resp',
      what,
      from: remoteHost,
      keyspace,
      result,
      requestId: `client ${id}`,
      ...(user === undefined ? {} : { who: user }),
    });
  }
}
