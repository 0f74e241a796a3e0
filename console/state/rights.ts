// What a session allows.

import type { Right, Session } from '../api/shapes.ts';

/** On a keyspace; without one, on everything and on the cluster itself. */
export function hasRight(session: Session, right: Right, keyspace?: string): boolean {
  if (session.rights.includes(right)) return true;
  if (keyspace === undefined) return false;
  const found = session.keyspaces.find(({ name }) => name === keyspace);
  return found?.rights.includes(right) === true;
}
