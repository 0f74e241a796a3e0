// Pure transitions of a keyspace as a whole.
//
//   INITIALIZING --commit--> RUNNING --drop--> DELETING --files gone--> (no record)

import type { CatalogState, Change, Transition } from './catalog.ts';
import { endedLoad } from './load-transitions.ts';
import { requireKeyspace, runningLoad, versionsOf } from './queries.ts';
import { versionId } from './records.ts';
import type { KeyspaceRecord } from './records.ts';

/** The keyspace is gone for readers; its files and records follow (forgetKeyspace). */
export function dropKeyspace(
  state: CatalogState,
  name: string,
  nowIso: string,
): Transition<KeyspaceRecord> {
  const keyspace = requireKeyspace(state, name);
  const record: KeyspaceRecord = { ...keyspace, state: 'DELETING' };
  const changes: Change[] = [{ table: 'keyspace', id: keyspace.uid, record }];
  const load = runningLoad(state, keyspace.uid);
  if (load !== undefined) {
    changes.push(endedLoad(load, 'CANCELLED', { reason: 'the keyspace was dropped', nowIso }));
  }
  return { changes, result: record };
}

/** Every known node has dropped everything of it: the records go, the keyspace's own with them. */
export function forgetKeyspace(state: CatalogState, uid: string): Transition<void> {
  const changes: Change[] = [];
  for (const version of versionsOf(state, uid)) {
    const id = versionId(uid, version.number);
    changes.push({ table: 'version', id, record: undefined });
    if (state.manifest.has(id)) changes.push({ table: 'manifest', id, record: undefined });
  }
  for (const load of state.load.values()) {
    if (load.keyspaceUid === uid) changes.push({ table: 'load', id: load.id, record: undefined });
  }
  if (state.keyspace.has(uid)) changes.push({ table: 'keyspace', id: uid, record: undefined });
  return { changes, result: undefined };
}
