// Pure transitions of a keyspace's versions: which one is current, which are kept, which are
// removed.
//
//   (commit) ---------> COMMITTED --retention, drop--> RETIRED --files gone--> DELETED
//   (gate failed) ----> REJECTED ---promote----------> COMMITTED
//                          +--------next commit, drop--> RETIRED
//   (commit failed, other content followed) -> BURNT --manifest gone--> DELETED
//
// Each version records the version that was current before it (`follows`), which is the target of a
// rollback. A rollback changes no version, so that a second rollback goes one further back.
//
// Invariants: the current version and the one it follows are never retired; a version that becomes
// current is COMMITTED in the same transaction; transitions run one after the other, so concurrent
// promotes, rollbacks and commits have an order, and each returns the version it started from.

import type { KeyspaceUid } from '../../base/ids.ts';
import { SteleError } from '../../base/errors.ts';
import { KEEP_MAX, KEEP_MIN } from '../../base/limits.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { isHeld, keepOf, keptVersions, requireKeyspace, versionsOf } from './queries.ts';
import { versionId } from './records.ts';
import type { CopiesRecord, KeyspaceRecord, VersionRecord } from './records.ts';

/** Records of deleted versions that are kept per keyspace. */
const DELETED_VERSIONS_KEPT = 10;

export interface Moved {
  readonly keyspace: KeyspaceRecord;
  readonly from: number;
  readonly to: number;
}

/** The target of a rollback: `to`, or with 0 the version before. Throws VERSION_NOT_FOUND. */
export function rollbackTarget(state: CatalogState, name: string, to: number): Moved {
  const keyspace = requireKeyspace(state, name);
  const from = keyspace.desired.currentVersion;
  const target = to === 0 ? versionBefore(state, keyspace) : to;
  const kept = keptVersions(state, keyspace.uid);
  if (target !== undefined && kept.some(({ number }) => number === target)) {
    return { keyspace, from, to: target };
  }
  throw notKept(state, keyspace, to, whyNoRollback(from, to));
}

function whyNoRollback(from: number, to: number): string {
  if (to !== 0) return `has no version ${to} to roll back to`;
  return from === 0
    ? 'has no current version to roll back from'
    : `has no version before ${from} to roll back to`;
}

/**
 * The target of a rollback without a number: what the current version follows, or the newest one
 * below it.
 */
export function versionBefore(state: CatalogState, keyspace: KeyspaceRecord): number | undefined {
  const { currentVersion } = keyspace.desired;
  const kept = keptVersions(state, keyspace.uid);
  const follows = kept.find(({ number }) => number === currentVersion)?.follows;
  const before = kept.find(({ number }) => number === follows && number !== currentVersion);
  return before?.number ?? kept.findLast(({ number }) => number < currentVersion)?.number;
}

/** Makes another committed version current, with one write. */
export function rollback(state: CatalogState, name: string, to: number): Transition<Moved> {
  const result = rollbackTarget(state, name, to);
  if (result.from === result.to) return { changes: [], result };
  return { changes: [currentChange(result.keyspace, result.to)], result };
}

/** The target of a promote. Throws VERSION_NOT_FOUND. */
export function promoteTarget(state: CatalogState, name: string, to: number): Moved {
  const keyspace = requireKeyspace(state, name);
  const version = state.version.get(versionId(keyspace.uid, to));
  if (version !== undefined && isHeld(version) && state.manifest.has(versionId(keyspace.uid, to))) {
    return { keyspace, from: keyspace.desired.currentVersion, to };
  }
  throw notKept(state, keyspace, to, `has no version ${to} to put live`);
}

/**
 * Makes a rejected or an older kept version current, with one write. `copies`: its copies on the
 * datanodes.
 */
export function promote(
  state: CatalogState,
  name: string,
  to: number,
  copies: CopiesRecord,
): Transition<Moved> {
  const result = promoteTarget(state, name, to);
  const { from, keyspace } = result;
  const version = state.version.get(versionId(keyspace.uid, to));
  if (version === undefined || from === to) return { changes: [], result };
  const { rejection: _settled, ...rest } = version;
  const live: VersionRecord = { ...rest, state: 'COMMITTED', follows: from, copies };
  const changes: Change[] = [
    { table: 'version', id: versionId(keyspace.uid, to), record: live },
    currentChange(keyspace, to),
    ...retireAfter(state, live, keepOf(keyspace)),
  ];
  return { changes, result };
}

function currentChange(keyspace: KeyspaceRecord, to: number): Change {
  const record: KeyspaceRecord = {
    ...keyspace,
    state: 'RUNNING',
    desired: { ...keyspace.desired, currentVersion: to },
  };
  return { table: 'keyspace', id: keyspace.uid, record };
}

function notKept(
  state: CatalogState,
  keyspace: KeyspaceRecord,
  asked: number,
  what: string,
): SteleError {
  const versions = versionsOf(state, keyspace.uid);
  const kept = versions.filter(({ state: now }) => now === 'COMMITTED');
  const list =
    kept.length === 0
      ? 'it has no version yet'
      : `it keeps ${kept.map(({ number }) => number).join(', ')}`;
  const rejected = versions.find(
    ({ number, state: now }) => number === asked && now === 'REJECTED',
  );
  const newest = kept.at(-1)?.number ?? 0;
  const isBack = asked === 0 && newest > keyspace.desired.currentVersion;
  const forward = isBack ? `; \`stele promote ${keyspace.name} ${newest}\` goes forward again` : '';
  const hint =
    rejected === undefined
      ? forward
      : `; version ${asked} was rejected, \`stele promote ${keyspace.name} ${asked}\` puts it live`;
  return new SteleError(
    'VERSION_NOT_FOUND',
    `Keyspace '${keyspace.name}' ${what} (${list}${hint}).`,
  );
}

/**
 * Retires versions once `live` (with its future record) is current: committed versions beyond
 * `keep`, oldest first, and rejected ones before it.
 */
export function retireAfter(state: CatalogState, live: VersionRecord, keep: number): Change[] {
  const others = versionsOf(state, live.uid).filter(({ number }) => number !== live.number);
  const committed = [...others.filter((version) => version.state === 'COMMITTED'), live];
  const rejected = others.filter(
    (version) => version.state === 'REJECTED' && version.number < live.number,
  );
  return [...beyondKeep(committed, live, keep), ...rejected].map(retired);
}

/** The committed versions beyond `keep`; never the current one or the one it follows. */
function beyondKeep(
  committed: readonly VersionRecord[],
  current: VersionRecord | undefined,
  keep: number,
): VersionRecord[] {
  const isPinned = ({ number }: VersionRecord): boolean =>
    number === current?.number || number === current?.follows;
  const pinnedCount = committed.filter(isPinned).length;
  return committed
    .filter((version) => !isPinned(version))
    .sort((left, right) => right.number - left.number)
    .slice(Math.max(0, keep - pinnedCount));
}

/** Retires rejected versions beyond `keep`, oldest first. Users can still inspect the others. */
export function retireRejected(state: CatalogState, newest: VersionRecord, keep: number): Change[] {
  const others = rejectedOf(state, newest.uid).filter(({ number }) => number !== newest.number);
  return others.slice(0, Math.max(0, others.length + 1 - keep)).map(retired);
}

function rejectedOf(state: CatalogState, uid: KeyspaceUid): VersionRecord[] {
  return versionsOf(state, uid).filter((version) => version.state === 'REJECTED');
}

function retired(version: VersionRecord): Change {
  const record: VersionRecord = { ...version, state: 'RETIRED' };
  return { table: 'version', id: versionId(version.uid, version.number), record };
}

/** Result: the versions that are no longer kept. Throws INVALID_ARGUMENT. */
export function setKeep(state: CatalogState, name: string, keep: number): Transition<number[]> {
  const keyspace = requireKeyspace(state, name);
  checkKeep(keep);
  const record = { ...keyspace, desired: { ...keyspace.desired, keep } };
  const committed = keptVersions(state, keyspace.uid);
  const current = committed.find(({ number }) => number === keyspace.desired.currentVersion);
  const rejected = rejectedOf(state, keyspace.uid);
  const gone = [
    ...beyondKeep(committed, current, keep),
    ...rejected.slice(0, Math.max(0, rejected.length - keep)),
  ];
  return {
    changes: [{ table: 'keyspace', id: keyspace.uid, record }, ...gone.map(retired)],
    result: gone.map(({ number }) => number).sort((left, right) => left - right),
  };
}

export function checkKeep(keep: number): void {
  if (Number.isSafeInteger(keep) && keep >= KEEP_MIN && keep <= KEEP_MAX) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `A keyspace keeps ${KEEP_MIN} to ${KEEP_MAX} versions, not ${keep}: the current one and the one before it always stay.`,
  );
}

/** Drops a version on request, unless it is the current one. */
export function dropVersion(state: CatalogState, name: string, number: number): Transition<void> {
  const keyspace = requireKeyspace(state, name);
  const version = state.version.get(versionId(keyspace.uid, number));
  if (version === undefined || !isHeld(version)) {
    throw notKept(state, keyspace, 0, `has no version ${number} to drop`);
  }
  if (number === keyspace.desired.currentVersion) {
    throw new SteleError(
      'CONFLICT',
      `Version ${number} of keyspace '${name}' is the current one; roll back or promote another first, or drop the whole keyspace.`,
    );
  }
  return { changes: [retired(version)], result: undefined };
}

/**
 * Removes RETIRED and BURNT versions, and all versions of keyspaces that are being deleted, once no
 * relevant node has anything of them. Result: the number of versions removed.
 */
export function forgetVersions(
  state: CatalogState,
  refs: readonly { readonly uid: KeyspaceUid; readonly version: number }[],
): Transition<number> {
  const changes: Change[] = [];
  const newest = new Map<KeyspaceUid, VersionRecord[]>();
  for (const { uid, version: number } of refs) {
    const id = versionId(uid, number);
    const version = state.version.get(id);
    if (version === undefined || version.state === 'DELETED') continue;
    const isDeleting = state.keyspace.get(uid)?.state === 'DELETING';
    if (isHeld(version) && !isDeleting) continue;
    if (state.manifest.has(id)) changes.push({ table: 'manifest', id, record: undefined });
    if (state.archived.has(id)) changes.push({ table: 'archived', id, record: undefined });
    if (isDeleting) changes.push({ table: 'version', id, record: undefined });
    else newest.set(uid, [...(newest.get(uid) ?? []), { ...version, state: 'DELETED' }]);
  }
  for (const [uid, deleted] of newest) changes.push(...keepDeleted(state, uid, deleted));
  return { changes, result: changes.length };
}

/** Keeps the newest records of versions that are deleted now or were before. */
function keepDeleted(
  state: CatalogState,
  uid: KeyspaceUid,
  deleted: readonly VersionRecord[],
): Change[] {
  const before = versionsOf(state, uid).filter((version) => version.state === 'DELETED');
  const all = [...before, ...deleted].sort((left, right) => left.number - right.number);
  const kept = new Set(all.slice(-DELETED_VERSIONS_KEPT));
  const table = 'version';
  const changeOf = (version: VersionRecord): Change => ({
    table,
    id: versionId(uid, version.number),
    record: kept.has(version) ? version : undefined,
  });
  return [...before.filter((version) => !kept.has(version)), ...deleted].map(changeOf);
}
