// Whether a client may run a command, with --auth on.
//
// A session that may read its keyspace is cleared for the present generation of users and roles, so that a
// read costs one comparison of two numbers more. Session.moveTo ends that.

import type { Access } from '../../access/access.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { accessOfCommand } from './command-access.ts';
import type { CommandSpec } from './command-spec.ts';
import type { Session } from './session.ts';

const NOT_LOGGED_IN = 'NOAUTH Authentication required.';
const NOT_READABLE = 'NOPERM No permissions to access a key';

export class Gate {
  /** Undefined: without --auth on, everything is allowed. */
  readonly access: Access | undefined;

  constructor(access?: Access) {
    this.access = access;
  }

  /** Sessions whose `clearedAt` equals it may run every command that needs data. */
  get generation(): number {
    return this.access === undefined ? 0 : this.access.generation;
  }

  /** Whether a session that is not cleared may run a command; if not, writes the error. Clears it if it can. */
  admits(spec: CommandSpec, session: Session, out: ReplyWriter): boolean {
    const asked = accessOfCommand(spec);
    const { subject } = session;
    if (this.access === undefined || subject?.may('read', session.keyspace.name) === true) {
      session.clearedAt = this.generation;
      return true;
    }
    if (asked === 'open') return true;
    if (subject?.isLive === true && asked !== 'read') return true;
    out.error(subject?.isLive === true ? NOT_READABLE : NOT_LOGGED_IN);
    return false;
  }

  /** Whether a command that needs no data asks for a right that the session lacks; if so, writes the error. */
  forbids(spec: CommandSpec, { subject, user }: Session, out: ReplyWriter): boolean {
    if (this.access === undefined) return false;
    const asked = accessOfCommand(spec);
    if (asked !== 'operate' && asked !== 'admin') return false;
    if (subject?.may(asked) === true) return false;
    out.error(`NOPERM User ${user} has no permissions to run the '${spec.name}' command`);
    return true;
  }
}
