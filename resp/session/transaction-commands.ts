// MULTI, EXEC, DISCARD, WATCH and UNWATCH; see transaction.ts.

import type { ServerContext, SessionHandlers } from '../commands/backend.ts';
import type { Session } from '../commands/session.ts';
import { Transaction } from '../commands/transaction.ts';

export const TRANSACTION_HANDLERS = {
  multi: (_, out, session) => {
    if (session.transaction !== undefined) return out.error('ERR MULTI calls can not be nested');
    session.transaction = new Transaction();
    out.ok();
  },
  discard: (_, out, session) => {
    if (session.transaction === undefined) return out.error('ERR DISCARD without MULTI');
    end(session);
    out.ok();
  },
  watch: (_, out, session, context) => {
    if (session.transaction !== undefined) {
      return out.error('ERR WATCH inside MULTI is not allowed');
    }
    const { name } = session.keyspace;
    session.watched ??= new Map();
    if (!session.watched.has(name)) session.watched.set(name, context.backend.datasetOf(name));
    out.ok();
  },
  unwatch: (_, out, session) => {
    session.watched = undefined;
    out.ok();
  },
  exec: (_, out, session, context) => {
    const { transaction } = session;
    if (transaction === undefined) return out.error('ERR EXEC without MULTI');
    const isStale = hasChanged(session, context);
    end(session);
    if (transaction.aborted) {
      return out.error('EXECABORT Transaction discarded because of previous errors.');
    }
    if (isStale) return out.nullArray();
    out.array(transaction.commands.length);
    session.executing = transaction.commands;
  },
} satisfies Partial<SessionHandlers>;

/** Equals no dataset: marks that another version was live since WATCH, whatever is live now. */
const SWITCHED = ' switched';

/** Called at each version switch, so that a watch also notices a switch that is later reverted. */
export function noteSwitch(session: Session, { backend }: ServerContext): void {
  const { watched } = session;
  for (const [name, dataset] of watched ?? []) {
    if (backend.datasetOf(name) !== dataset) watched?.set(name, SWITCHED);
  }
}

function end(session: Session): void {
  session.transaction = undefined;
  session.watched = undefined;
}

function hasChanged({ watched }: Session, { backend }: ServerContext): boolean {
  if (watched === undefined) return false;
  return [...watched].some(([name, dataset]) => backend.datasetOf(name) !== dataset);
}
