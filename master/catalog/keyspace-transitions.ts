// Pure transitions of a keyspace as a whole.
//
//   INITIALIZING --commit--> RUNNING --drop--> DELETING --files gone--> (no record)
//
// Suspension is a desired state beside these (`desired.suspended`). Its progress is in the observed
// record, which only the control loop writes (noteObserved).
//
// Invariants: no load runs into a suspended keyspace; a keyspace's observed record is written only
// while the keyspace has a record, and is removed with it.

import type { KeyspaceUid } from '../../base/ids.ts';
import { SteleError, suspendedError } from '../../base/errors.ts';
import { REPLICATION_MAX } from '../../base/limits.ts';
import type { SegmentId } from '../../base/segment-name.ts';
import type { SetTierResponse } from '../../proto/gen/stele/v1/cluster.ts';
import type { TierWord } from '../../proto/view-words.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { endedLoad, inTier } from './load-transitions.ts';
import { isGhost, isHeld, requireKeyspace, runningLoad, versionsOf } from './queries.ts';
import { versionId } from './records.ts';
import type { KeyspaceRecord, ObservedRecord, SegmentRecord } from './records.ts';

/** Hides the keyspace from readers. Its files and records are removed later (forgetKeyspace). */
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

/**
 * Drops keyspaces without any version once their last load has been over since before `beforeIso`:
 * until then the load may be resumed and finds what it sent. Result: the names of the keyspaces.
 */
export function removeGhosts(state: CatalogState, beforeIso: string): Transition<string[]> {
  const changes: Change[] = [];
  const result: string[] = [];
  for (const keyspace of state.keyspace.values()) {
    if (keyspace.state === 'DELETING' || !isGhost(state, keyspace)) continue;
    const loads = [...state.load.values()].filter(
      ({ keyspaceUid }) => keyspaceUid === keyspace.uid,
    );
    const isAwaited = loads.some(
      ({ endedAt = '', state: how }) => how === 'RUNNING' || endedAt > beforeIso,
    );
    if (isAwaited) continue;
    const record: KeyspaceRecord = { ...keyspace, state: 'DELETING' };
    changes.push({ table: 'keyspace', id: keyspace.uid, record });
    result.push(keyspace.name);
  }
  return { changes, result };
}

/** Removes all records of a keyspace, after every known node has dropped its data. */
export function forgetKeyspace(state: CatalogState, uid: KeyspaceUid): Transition<void> {
  const changes: Change[] = [];
  for (const version of versionsOf(state, uid)) {
    const id = versionId(uid, version.number);
    changes.push({ table: 'version', id, record: undefined });
    if (state.manifest.has(id)) changes.push({ table: 'manifest', id, record: undefined });
    if (state.archived.has(id)) changes.push({ table: 'archived', id, record: undefined });
  }
  for (const load of state.load.values()) {
    if (load.keyspaceUid === uid) changes.push({ table: 'load', id: load.id, record: undefined });
  }
  if (state.observed.has(uid)) changes.push({ table: 'observed', id: uid, record: undefined });
  // The keyspace's own record goes last: a reader of a half-read catalog then still sees that it is
  // being deleted.
  if (state.keyspace.has(uid)) changes.push({ table: 'keyspace', id: uid, record: undefined });
  return { changes, result: undefined };
}

/**
 * Refuses readers and frees memory; the data stays on disk. Throws LOAD_IN_PROGRESS and CONFLICT.
 */
export function suspendKeyspace(state: CatalogState, name: string): Transition<KeyspaceRecord> {
  const keyspace = requireKeyspace(state, name);
  if (keyspace.desired.currentVersion === 0) {
    const message = `Keyspace '${name}' has no version yet, so there is nothing to suspend.`;
    throw new SteleError('CONFLICT', message);
  }
  const load = runningLoad(state, keyspace.uid);
  if (load !== undefined) {
    throw new SteleError(
      'LOAD_IN_PROGRESS',
      `Load ${load.id} runs into '${name}'; wait for it, or stop it with \`stele load --cancel ${load.id}\`, then suspend.`,
    );
  }
  return wished(keyspace, true);
}

export function resumeKeyspace(state: CatalogState, name: string): Transition<KeyspaceRecord> {
  return wished(requireKeyspace(state, name), false);
}

function wished(keyspace: KeyspaceRecord, suspended: boolean): Transition<KeyspaceRecord> {
  if ((keyspace.desired.suspended ?? false) === suspended) return { changes: [], result: keyspace };
  const record: KeyspaceRecord = { ...keyspace, desired: { ...keyspace.desired, suspended } };
  return { changes: [{ table: 'keyspace', id: keyspace.uid, record }], result: record };
}

/** Sets whether masters cache the keyspace's values. */
export function setCache(state: CatalogState, name: string, cache: boolean): Transition<void> {
  const keyspace = requireKeyspace(state, name);
  const { uncached: _, ...desired } = keyspace.desired;
  const record = { ...keyspace, desired: cache ? desired : { ...desired, uncached: true } };
  return { changes: [{ table: 'keyspace', id: keyspace.uid, record }], result: undefined };
}

/**
 * Sets the tier of a keyspace; its segments are moved in the background, those of a suspended one
 * when it is resumed. Result: whether it was another one, and what is to be moved now, of one copy.
 */
export function setTier(
  state: CatalogState,
  name: string,
  tier: TierWord,
): Transition<Omit<SetTierResponse, 'tier'>> {
  const keyspace = requireKeyspace(state, name);
  const record = inTier(keyspace, tier);
  if (record === keyspace)
    return { changes: [], result: { changed: false, segments: 0, bytes: 0 } };
  const isParked = keyspace.desired.suspended === true;
  const segments = isParked ? [] : heldSegments(state, keyspace.uid);
  const bytes = segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  return {
    changes: [{ table: 'keyspace', id: keyspace.uid, record }],
    result: { changed: true, segments: segments.length, bytes },
  };
}

/** The segments of all kept versions; one that several share is there once. */
function heldSegments(state: CatalogState, uid: KeyspaceUid): SegmentRecord[] {
  const byId = new Map<SegmentId, SegmentRecord>();
  for (const version of versionsOf(state, uid).filter(isHeld)) {
    const manifest = state.manifest.get(versionId(uid, version.number));
    for (const segment of manifest?.segments ?? []) byId.set(segment.id, segment);
  }
  return [...byId.values()];
}

/** `replication` 0: the cluster's. Throws INVALID_ARGUMENT. */
export function setReplication(
  state: CatalogState,
  name: string,
  replication: number,
): Transition<void> {
  const keyspace = requireKeyspace(state, name);
  if (!Number.isInteger(replication) || replication < 0 || replication > REPLICATION_MAX) {
    const message = `${replication} is not a number of copies: use 1 to ${REPLICATION_MAX}, or 0 for what the cluster has.`;
    throw new SteleError('INVALID_ARGUMENT', message);
  }
  const record = { ...keyspace, desired: { ...keyspace.desired, replication } };
  return { changes: [{ table: 'keyspace', id: keyspace.uid, record }], result: undefined };
}

/** Throws SUSPENDED. */
export function requireAwake(keyspace: KeyspaceRecord): void {
  if (keyspace.desired.suspended === true) throw suspendedError(keyspace.name);
}

/** Records the findings of the control loops. Skips keyspaces that are gone. */
export function noteObserved(
  state: CatalogState,
  found: readonly ObservedRecord[],
): Transition<void> {
  const changes: Change[] = [];
  for (const record of found) {
    if (!state.keyspace.has(record.uid)) continue;
    if (JSON.stringify(state.observed.get(record.uid)) === JSON.stringify(record)) continue;
    changes.push({ table: 'observed', id: record.uid, record });
  }
  return { changes, result: undefined };
}
