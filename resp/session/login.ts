// AUTH and HELLO with --auth on. The connection runs no further command until the login is decided.
//
// The user's name may end with a keyspace, `alice@geo`, for clients that cannot SELECT. Otherwise the
// connection goes to the user's own default keyspace, if it has one.

import type { Access } from '../../access/access.ts';
import type { Subject } from '../../access/subject.ts';
import { toSteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { PendingReply, ServerContext } from '../commands/backend.ts';
import { PendingOperation } from '../commands/pending-operation.ts';
import type { KeyspaceRef, Session } from '../commands/session.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

export const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';

interface LoggedIn {
  readonly subject: Subject;
  readonly keyspace: KeyspaceRef;
}

/** A login by `command` that is being decided: `done` writes the reply to one that was successful. */
export function logInLater(
  credentials: { readonly user: string; readonly password: string },
  session: Session,
  context: ServerContext,
  access: Access,
  { command, done }: { readonly command: string; readonly done: (out: ReplyWriter) => void },
): PendingReply {
  const decided = logIn(command, credentials, session, context, access).then((outcome) => {
    if (typeof outcome === 'string') return outcome;
    session.subject = outcome.subject;
    session.user = outcome.subject.name;
    session.moveTo(outcome.keyspace);
    return undefined;
  });
  return new PendingOperation(decided, (out, refusal) => {
    if (refusal === undefined) done(out);
    else out.error(refusal);
  });
}

/** Resolves to the text of an error if the login is refused. Throws OVERLOADED. */
async function logIn(
  command: string,
  { password, user }: { readonly user: string; readonly password: string },
  session: Session,
  { backend, gate }: ServerContext,
  access: Access,
): Promise<LoggedIn | string> {
  const at = user.lastIndexOf('@');
  const name = at < 0 ? user : user.slice(0, at);
  let subject: Subject;
  try {
    subject = await access.login(name, password, hostOf(session.remoteAddress));
  } catch (thrown) {
    if (toSteleError(thrown).code !== 'UNAUTHENTICATED') throw thrown;
    gate.refused(session, command, 'UNAUTHENTICATED', '', name);
    return WRONG_PASSWORD;
  }
  const ofUser = access.account(name)?.user.defaultKeyspace ?? '';
  const wanted = at < 0 ? ofUser : user.slice(at + 1);
  if (wanted === '') return { subject, keyspace: session.keyspace };
  const keyspace = backend.resolveKeyspace(wanted);
  if (keyspace !== undefined && subject.may('read', keyspace.name)) return { subject, keyspace };
  // The default keyspace of a user may not have been loaded yet.
  if (at < 0) return { subject, keyspace: session.keyspace };
  if (keyspace !== undefined) gate.refused(session, command, 'PERMISSION_DENIED', wanted, name);
  return `ERR There is no keyspace '${shorten(wanted)}'; \`stele keyspaces\` lists those there are.`;
}

/** `host:port` without the port. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}
