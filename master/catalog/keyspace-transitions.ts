// Pure transitions of a keyspace and its versions.
//
//   keyspace   INITIALIZING --commit--> RUNNING --drop--> DELETING --files gone--> (no record)
//   version    COMMITTED --retention--> RETIRED --files gone--> DELETED
//              (a failed commit) REJECTED --manifest gone--> DELETED

import { SteleError } from '../../base/errors.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { keptVersions, requireKeyspace, runningLoad, versionsOf } from './queries.ts';
import { versionId } from './records.ts';
import type { KeyspaceRecord, VersionRecord } from './records.ts';

/** Records of deleted versions that stay listed in the store, per keyspace. */
const DELETED_VERSIONS_KEPT = 10;

export interface RolledBack {
  readonly keyspace: KeyspaceRecord;
  readonly from: number;
  readonly to: number;
}

/** Which version a rollback means; throws VERSION_NOT_FOUND. `to` 0: the newest below the current. */
export function rollbackTarget(state: CatalogState, name: string, to: number): RolledBack {
  const keyspace = requireKeyspace(state, name);
  const from = keyspace.desired.currentVersion;
  const kept = keptVersions(state, keyspace.uid).map((version) => version.number);
  const target = to === 0 ? kept.findLast((number) => number < from) : to;
  if (target !== undefined && kept.includes(target)) return { keyspace, from, to: target };
  const list = kept.length === 0 ? 'it has no version yet' : `it keeps ${kept.join(', ')}`;
  throw new SteleError(
    'VERSION_NOT_FOUND',
    to === 0
      ? `Keyspace '${name}' has no version below ${from} to go back to (${list}).`
      : `Keyspace '${name}' has no version ${to} (${list}).`,
  );
}

/** One write makes another kept version current. */
export function rollback(state: CatalogState, name: string, to: number): Transition<RolledBack> {
  const result = rollbackTarget(state, name, to);
  const { keyspace } = result;
  const desired = { ...keyspace.desired, currentVersion: result.to };
  const changes: Change[] =
    result.from === result.to
      ? []
      : [{ table: 'keyspace', id: keyspace.uid, record: { ...keyspace, desired } }];
  return { changes, result };
}

/** The keyspace is gone for readers; its files and records follow (forgetKeyspace). */
export function dropKeyspace(state: CatalogState, name: string): Transition<KeyspaceRecord> {
  const keyspace = requireKeyspace(state, name);
  const record: KeyspaceRecord = { ...keyspace, state: 'DELETING' };
  const changes: Change[] = [{ table: 'keyspace', id: keyspace.uid, record }];
  const load = runningLoad(state, keyspace.uid);
  if (load !== undefined) {
    const reason = 'the keyspace was dropped';
    changes.push({ table: 'load', id: load.id, record: { ...load, state: 'ABORTED', reason } });
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

/** Which committed versions go once `current` follows `previous`: all but these two and the newest, up to `keep`. */
export function versionsToRetire(
  committed: readonly VersionRecord[],
  current: number,
  previous: number,
  keep: number,
): VersionRecord[] {
  const pinned = committed.filter(({ number }) => number === current || number === previous);
  const others = committed
    .filter((version) => !pinned.includes(version))
    .sort((left, right) => right.number - left.number);
  return others.slice(Math.max(0, keep - pinned.length));
}

/** Every known node has dropped a RETIRED or REJECTED version. */
export function forgetVersion(state: CatalogState, uid: string, number: number): Transition<void> {
  const id = versionId(uid, number);
  const version = state.version.get(id);
  if (version === undefined || version.state === 'COMMITTED') {
    return { changes: [], result: undefined };
  }
  const changes: Change[] = [
    { table: 'version', id, record: { ...version, state: 'DELETED' } },
    ...pruneDeleted(state, uid),
  ];
  if (state.manifest.has(id)) changes.push({ table: 'manifest', id, record: undefined });
  return { changes, result: undefined };
}

function pruneDeleted(state: CatalogState, uid: string): Change[] {
  const deleted = versionsOf(state, uid).filter((version) => version.state === 'DELETED');
  return deleted
    .slice(0, Math.max(0, deleted.length + 1 - DELETED_VERSIONS_KEPT))
    .map((version) => ({
      table: 'version',
      id: versionId(uid, version.number),
      record: undefined,
    }));
}
