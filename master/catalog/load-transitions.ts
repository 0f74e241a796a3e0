// Pure transitions of a bulk load: begin, resume, abort, and the commit that flips the version.
//
//   RUNNING --commit--> COMMITTED        RUNNING --abort, superseded, keyspace dropped--> ABORTED
//
// Invariants: one RUNNING load a keyspace; a version number, once handed to datanodes with one
// content, is never used with another; the flip is one transaction.

import { SteleError } from '../../base/errors.ts';
import { keyspaceName } from '../../base/ids.ts';
import { KEYSPACE_COUNT_MAX } from '../../base/limits.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { versionsToRetire } from './keyspace-transitions.ts';
import { findKeyspace, keptVersions, runningLoad } from './queries.ts';
import { versionId } from './records.ts';
import type {
  KeyspaceRecord,
  LoadRecord,
  ManifestRecord,
  SegmentRecord,
  VersionRecord,
} from './records.ts';

const DEFAULT_KEYSPACE = 'default';
/** Versions a keyspace keeps: the current one and the one to roll back to. */
const VERSIONS_KEPT = 2;
/** Ended loads whose records stay, so that a repeated CommitLoad gets its answer. */
const ENDED_LOADS_KEPT = 100;

export interface NewLoad {
  readonly id: string;
  /** For a keyspace that does not exist yet. */
  readonly keyspaceUid: string;
  readonly keyspace: string;
  readonly source: string;
  readonly inputFingerprint: string;
  readonly minReplicas: number;
  readonly nowIso: string;
}

export interface BegunLoad {
  readonly load: LoadRecord;
  readonly keyspace: KeyspaceRecord;
}

/** Starts a load; `mayReplace` says whether a running load's lease has ended. */
export function beginLoad(
  state: CatalogState,
  wanted: NewLoad,
  mayReplace: (load: LoadRecord) => boolean,
  describe: (load: LoadRecord) => string,
): Transition<BegunLoad> {
  const changes: Change[] = [];
  const keyspace = findKeyspace(state, wanted.keyspace) ?? newKeyspace(state, wanted);
  if (!state.keyspace.has(keyspace.uid)) {
    changes.push({ table: 'keyspace', id: keyspace.uid, record: keyspace });
  }
  const other = runningLoad(state, keyspace.uid);
  if (other !== undefined) {
    if (!mayReplace(other)) throw inProgress(wanted.keyspace, other, describe(other));
    changes.push(abortChange(other, `superseded by load ${wanted.id}`));
  }
  const load: LoadRecord = {
    id: wanted.id,
    keyspaceUid: keyspace.uid,
    state: 'RUNNING',
    source: wanted.source,
    inputFingerprint: wanted.inputFingerprint,
    minReplicas: wanted.minReplicas,
    startedAt: wanted.nowIso,
  };
  changes.push({ table: 'load', id: load.id, record: load }, ...pruneLoads(state));
  return { changes, result: { load, keyspace } };
}

function inProgress(keyspace: string, load: LoadRecord, progress: string): SteleError {
  return new SteleError(
    'LOAD_IN_PROGRESS',
    `Load ${load.id} of '${load.source}' into keyspace '${keyspace}' is under way (${progress}); wait for it, or stop it and try again 10 seconds later.`,
  );
}

function newKeyspace(state: CatalogState, wanted: NewLoad): KeyspaceRecord {
  const name = keyspaceName(wanted.keyspace);
  if (state.keyspace.size >= KEYSPACE_COUNT_MAX) {
    throw new SteleError(
      'OVERLOADED',
      `There are ${state.keyspace.size} keyspaces, which is the most a cluster holds; drop one with \`stele drop\`.`,
    );
  }
  return {
    uid: wanted.keyspaceUid,
    name,
    index: freeIndex(state, name),
    state: 'INITIALIZING',
    desired: { currentVersion: 0, replication: 0 },
    nextVersion: 1,
    createdAt: wanted.nowIso,
  };
}

function freeIndex(state: CatalogState, name: string): number {
  if (name === DEFAULT_KEYSPACE) return 0;
  const used = new Set([...state.keyspace.values()].map((keyspace) => keyspace.index));
  let index = 1;
  while (used.has(index)) index += 1;
  return index;
}

function pruneLoads(state: CatalogState): Change[] {
  const ended = [...state.load.values()]
    .filter((load) => load.state !== 'RUNNING')
    .sort((left, right) => (left.startedAt < right.startedAt ? -1 : 1));
  return ended
    .slice(0, Math.max(0, ended.length - ENDED_LOADS_KEPT))
    .map((load) => ({ table: 'load', id: load.id, record: undefined }));
}

export function abortLoad(state: CatalogState, id: string, reason: string): Transition<void> {
  const load = state.load.get(id);
  if (load === undefined) throw loadNotFound(id);
  const changes = load.state === 'RUNNING' ? [abortChange(load, reason)] : [];
  return { changes, result: undefined };
}

function abortChange(load: LoadRecord, reason: string): Change {
  return { table: 'load', id: load.id, record: { ...load, state: 'ABORTED', reason } };
}

export function loadNotFound(id: string): SteleError {
  return new SteleError(
    'LOAD_NOT_FOUND',
    `There is no load ${id} any more; start the load again from the beginning.`,
  );
}

/** A load that can be committed, with its keyspace. Throws LOAD_NOT_FOUND and LOAD_REJECTED. */
export function requireRunning(state: CatalogState, id: string): BegunLoad {
  const load = state.load.get(id);
  const keyspace = load === undefined ? undefined : state.keyspace.get(load.keyspaceUid);
  if (load === undefined || keyspace === undefined) throw loadNotFound(id);
  if (load.state === 'RUNNING' && keyspace.state !== 'DELETING') return { load, keyspace };
  throw new SteleError(
    'LOAD_REJECTED',
    `Load ${id} was stopped (${load.reason ?? 'its keyspace is gone'}); nothing of it became visible.`,
  );
}

/**
 * Sets aside the version number that a commit of this content takes. The same content gets the
 * same number again; another content burns the number that datanodes may have seen.
 */
export function reserveVersion(
  state: CatalogState,
  loadId: string,
  fingerprint: string,
  nowIso: string,
): Transition<number> {
  const { keyspace, load } = requireRunning(state, loadId);
  const { attempt } = keyspace;
  if (attempt?.fingerprint === fingerprint) return { changes: [], result: attempt.version };
  const number = attempt === undefined ? keyspace.nextVersion : attempt.version + 1;
  const record: KeyspaceRecord = {
    ...keyspace,
    nextVersion: number,
    attempt: { version: number, loadId, fingerprint },
  };
  const changes: Change[] = [{ table: 'keyspace', id: keyspace.uid, record }];
  if (attempt !== undefined) {
    const rejected = rejectedVersion(keyspace.uid, attempt.version, load.source, nowIso);
    changes.push({
      table: 'version',
      id: versionId(keyspace.uid, attempt.version),
      record: rejected,
    });
  }
  return { changes, result: number };
}

function rejectedVersion(
  uid: string,
  number: number,
  source: string,
  nowIso: string,
): VersionRecord {
  return {
    uid,
    number,
    state: 'REJECTED',
    records: 0,
    keyBytes: 0,
    valueBytes: 0,
    segmentBytes: 0,
    digest: '',
    source,
    inputFingerprint: '',
    loadId: '',
    committedAt: nowIso,
  };
}

export interface CommitContent {
  readonly version: number;
  readonly fingerprint: string;
  readonly segments: readonly SegmentRecord[];
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly digest: string;
  readonly nowIso: string;
}

/** The flip: version, manifest, current version, load and retention in one transaction. */
export function commitLoad(
  state: CatalogState,
  loadId: string,
  content: CommitContent,
): Transition<VersionRecord> {
  const { load, keyspace } = requireRunning(state, loadId);
  if (keyspace.attempt?.fingerprint !== content.fingerprint) {
    throw new SteleError('CONFLICT', `Another commit into '${keyspace.name}' came in between.`);
  }
  const { uid } = keyspace;
  const id = versionId(uid, content.version);
  const record = committedVersion(load, content);
  const manifest: ManifestRecord = { uid, version: content.version, segments: content.segments };
  const retired = versionsToRetire(
    [...keptVersions(state, uid), record],
    content.version,
    keyspace.desired.currentVersion,
    VERSIONS_KEPT,
  );
  const changes: Change[] = [
    { table: 'version', id, record },
    { table: 'manifest', id, record: manifest },
    { table: 'keyspace', id: uid, record: keyspaceAfterCommit(keyspace, content.version) },
    {
      table: 'load',
      id: load.id,
      record: { ...load, state: 'COMMITTED', version: content.version },
    },
    ...retired.map(
      (version) =>
        ({
          table: 'version',
          id: versionId(uid, version.number),
          record: { ...version, state: 'RETIRED' },
        }) as const,
    ),
  ];
  return { changes, result: record };
}

function keyspaceAfterCommit(keyspace: KeyspaceRecord, version: number): KeyspaceRecord {
  const { attempt: _done, ...rest } = keyspace;
  return {
    ...rest,
    state: 'RUNNING',
    desired: { ...keyspace.desired, currentVersion: version },
    nextVersion: version + 1,
  };
}

function committedVersion(load: LoadRecord, content: CommitContent): VersionRecord {
  return {
    uid: load.keyspaceUid,
    number: content.version,
    state: 'COMMITTED',
    records: content.records,
    keyBytes: content.keyBytes,
    valueBytes: content.valueBytes,
    segmentBytes: content.segments.reduce((sum, segment) => sum + segment.fileBytes, 0),
    digest: content.digest,
    source: load.source,
    inputFingerprint: load.inputFingerprint,
    loadId: load.id,
    committedAt: content.nowIso,
  };
}
