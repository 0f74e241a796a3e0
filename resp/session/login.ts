// AUTH and HELLO with --auth on. The connection runs no further command until the login is decided.
//
// The user's name may end with a keyspace, `alice@geo`, for clients that cannot SELECT. Otherwise
// the connection goes to the user's own default keyspace, if it has one. A password may be one of
// the user's tokens, which stands for the user without a name, too. Before a login, and after
// RESET, the connection is that of the user whose certificate the client has shown.

import type { Access } from '../../access/access.ts';
import type { Subject } from '../../access/subject.ts';
import { idOfToken } from '../../access/tokens.ts';
import { toSteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { ServerContext } from '../commands/backend.ts';
import type { PendingReply } from '../commands/pending-reply.ts';
import { PendingOperation } from '../commands/pending-operation.ts';
import type { KeyspaceRef, Session } from '../commands/session.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

export const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';

interface LoggedIn {
  readonly subject: Subject;
  readonly keyspace: KeyspaceRef;
}

/**
 * A login by `command` that is being decided: `done` writes the reply to one that was successful.
 */
export function logInLater(
  credentials: { readonly user: string; readonly password: string },
  session: Session,
  context: ServerContext,
  access: Access,
  { command, done }: { readonly command: string; readonly done: (out: ReplyWriter) => void },
): PendingReply {
  const decided = logIn(command, credentials, session, context, access).then((outcome) => {
    if (typeof outcome === 'string') return outcome;
    session.enter(outcome.subject, outcome.keyspace);
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
    subject = await access.login(name, password, session.remoteHost);
  } catch (thrown) {
    const { code, message } = toSteleError(thrown);
    if (code !== 'UNAUTHENTICATED') throw thrown;
    gate.refused(session, command, 'UNAUTHENTICATED', '', name);
    // The owner of a token may know that it has expired.
    return idOfToken(password) === undefined ? WRONG_PASSWORD : `WRONGPASS ${message}`;
  }
  if (at < 0) return { subject, keyspace: firstKeyspace(subject, session, backend, access) };
  const wanted = user.slice(at + 1);
  const keyspace = backend.resolveKeyspace(wanted);
  if (keyspace !== undefined && subject.may('read', keyspace.name)) return { subject, keyspace };
  if (keyspace !== undefined) gate.refused(session, command, 'PERMISSION_DENIED', wanted, name);
  return `ERR There is no keyspace '${shorten(wanted)}'; \`stele keyspaces\` lists those there are.`;
}

/** Makes the user of the client's certificate, if there is one, that of the connection. */
export function enterByCertificate(
  session: Session,
  { backend }: Pick<ServerContext, 'backend'>,
  access: Access,
): void {
  const { certified } = session;
  if (certified?.isLive !== true) return;
  session.enter(certified, firstKeyspace(certified, session, backend, access));
}

/**
 * The user's own default keyspace, if it may be read and was loaded already; else the present one.
 */
function firstKeyspace(
  subject: Subject,
  { keyspace }: Session,
  backend: ServerContext['backend'],
  access: Access,
): KeyspaceRef {
  const wanted = access.account(subject.name)?.user.defaultKeyspace ?? '';
  const found = wanted === '' ? undefined : backend.resolveKeyspace(wanted);
  return found !== undefined && subject.may('read', found.name) ? found : keyspace;
}
