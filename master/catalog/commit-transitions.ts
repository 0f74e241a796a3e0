// Pure transitions of a load's commit: a version number is reserved, then the version becomes
// current or is rejected.
//
//   reserveVersion   reserves n for exactly this content
//     ... the datanodes get the manifest and report what they hold (master/loads/commit.ts)
//   settleLoad       the gate passes:  version n COMMITTED and current, the load COMMITTED
//                    the gate fails:   version n REJECTED and kept, the load REJECTED
//
// The gate compares with the state of the same transition that makes the version current, so it
// sees a rollback or promote that came in between. A replace that began on an older version becomes
// current regardless. An append does not: it holds the changes to the version it began on, and is
// refused if another one has become current.
//
// Invariants: a version number that datanodes have seen with one content is never used with
// another; the switch and the rejection are one transaction each; a rejected version never became
// current.

import type { KeyspaceUid } from '../../base/ids.ts';
import { SteleError } from '../../base/errors.ts';
import type { LoadGate } from '../../proto/gen/stele/v1/load.ts';
import { findRejection } from '../../proto/load-gate.ts';
import type { KeyFinding } from '../../proto/load-gate.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { gateRecord } from './gate.ts';
import { endedLoad, requireRunning } from './load-transitions.ts';
import { keepOf, versionsOf } from './queries.ts';
import { versionId } from './records.ts';
import type {
  AppendRecord,
  CopiesRecord,
  KeyspaceRecord,
  LoadProgressRecord,
  LoadRecord,
  ManifestRecord,
  SegmentRecord,
  VersionRecord,
} from './records.ts';
import type { TotalsRecord } from './totals.ts';
import { checkKeep, retireAfter, retireRejected } from './version-transitions.ts';

/**
 * Reserves the version number for a commit of this content. The same content gets the same number
 * again, also if it was rejected. Other content skips the number, which datanodes may have seen.
 * `atLeast`: the number that a restore asks for.
 */
export function reserveVersion(
  state: CatalogState,
  loadId: string,
  fingerprint: string,
  nowIso: string,
  atLeast = 1,
): Transition<number> {
  const { keyspace, load } = requireRunning(state, loadId);
  const { attempt } = keyspace;
  if (attempt?.fingerprint === fingerprint) return { changes: [], result: attempt.version };
  const before = rejectedBefore(state, keyspace.uid, fingerprint);
  if (before !== undefined) return { changes: [], result: before.number };
  const number = Math.max(keyspace.nextVersion, (attempt?.version ?? 0) + 1, atLeast);
  const record: KeyspaceRecord = {
    ...keyspace,
    nextVersion: number,
    attempt: { version: number, loadId, fingerprint },
  };
  const changes: Change[] = [{ table: 'keyspace', id: keyspace.uid, record }];
  if (attempt !== undefined) {
    const burnt = burntVersion(keyspace.uid, attempt.version, load.source, nowIso);
    changes.push({ table: 'version', id: versionId(keyspace.uid, attempt.version), record: burnt });
  }
  return { changes, result: number };
}

function rejectedBefore(
  state: CatalogState,
  uid: KeyspaceUid,
  fingerprint: string,
): VersionRecord | undefined {
  return versionsOf(state, uid).find(
    (version) => version.state === 'REJECTED' && version.fingerprint === fingerprint,
  );
}

function burntVersion(
  uid: KeyspaceUid,
  number: number,
  source: string,
  nowIso: string,
): VersionRecord {
  return {
    uid,
    number,
    state: 'BURNT',
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
  /** By delta id: what it overwrites. */
  readonly overwritten?: Readonly<Record<string, TotalsRecord>>;
  /** Set for an append. */
  readonly appended?: AppendedContent;
}

interface AppendedContent {
  readonly append: AppendRecord;
  /**
   * Revision of the manifest that the append is based on. Deltas that were merged since then would
   * be lost.
   */
  readonly baseRevision: number;
}

/** The conditions of a commit, and what is recorded with it. */
export interface CommitTerms {
  readonly gate: LoadGate;
  readonly keys: readonly KeyFinding[];
  /** Versions to keep from now on; 0: unchanged. */
  readonly keep: number;
  readonly progress: LoadProgressRecord | undefined;
  /** Copies of the version on the datanodes. */
  readonly copies: CopiesRecord;
  /** Fingerprint of the input; absent if the loader sent it with BeginLoad. */
  readonly inputFingerprint?: string | undefined;
}

/**
 * Makes the version current, or rejects it, in one transaction; `state` of the result tells which.
 */
export function settleLoad(
  state: CatalogState,
  loadId: string,
  content: CommitContent,
  terms: CommitTerms,
): Transition<VersionRecord> {
  const begun = requireRunning(state, loadId);
  const { keyspace } = begun;
  if (terms.keep !== 0) checkKeep(terms.keep);
  const isReserved =
    keyspace.attempt?.fingerprint === content.fingerprint ||
    rejectedBefore(state, keyspace.uid, content.fingerprint)?.number === content.version;
  if (!isReserved) {
    throw new SteleError('CONFLICT', `Another commit into '${keyspace.name}' came in between.`);
  }
  if (content.appended !== undefined) requireBase(state, keyspace, content.appended);
  const rejection = findRejection(terms.gate, {
    records: content.records,
    current: currentVersion(state, keyspace),
    keys: terms.keys,
  });
  const record = versionRecord(begun.load, content, terms);
  return rejection === undefined
    ? flip(state, begun, content, terms, record)
    : reject(state, begun, content, terms, { ...record, state: 'REJECTED', rejection });
}

function currentVersion(state: CatalogState, keyspace: KeyspaceRecord): VersionRecord | undefined {
  return state.version.get(versionId(keyspace.uid, keyspace.desired.currentVersion));
}

/** Throws CONFLICT if the version appended to has changed. */
function requireBase(
  state: CatalogState,
  keyspace: KeyspaceRecord,
  { append, baseRevision }: AppendedContent,
): void {
  requireCurrent(keyspace, append.base);
  const revision = state.manifest.get(versionId(keyspace.uid, append.base))?.revision ?? 0;
  if (revision === baseRevision) return;
  throw new SteleError(
    'CONFLICT',
    `Deltas of version ${append.base} of keyspace '${keyspace.name}' were merged in between; run the same command again.`,
  );
}

/** Throws CONFLICT if `base`, on which an append began, is no longer the current version. */
export function requireCurrent(keyspace: KeyspaceRecord, base: number): void {
  const { currentVersion: current } = keyspace.desired;
  if (current === base) return;
  const was = base === 0 ? 'an empty keyspace' : `version ${base}`;
  throw new SteleError(
    'CONFLICT',
    `The load began as an append to ${was}, and meanwhile version ${current} of keyspace '${keyspace.name}' has become current, so nothing was changed; run the same command again to append to version ${current}.`,
  );
}

interface Begun {
  readonly load: LoadRecord;
  readonly keyspace: KeyspaceRecord;
}

function flip(
  state: CatalogState,
  { keyspace, load }: Begun,
  content: CommitContent,
  terms: CommitTerms,
  record: VersionRecord,
): Transition<VersionRecord> {
  const live: VersionRecord = { ...record, follows: keyspace.desired.currentVersion };
  const keep = terms.keep || keepOf(keyspace);
  const desired = {
    ...keyspace.desired,
    currentVersion: content.version,
    ...(terms.keep === 0 ? {} : { keep }),
  };
  const after: KeyspaceRecord = {
    ...withoutAttempt(keyspace, content),
    state: 'RUNNING',
    desired,
  };
  const changes: Change[] = [
    ...versionChanges(live, content),
    { table: 'keyspace', id: keyspace.uid, record: after },
    committedLoad(load, content, 'COMMITTED', terms),
    ...retireAfter(state, live, keep),
  ];
  return { changes, result: live };
}

function reject(
  state: CatalogState,
  { keyspace, load }: Begun,
  content: CommitContent,
  terms: CommitTerms,
  record: VersionRecord,
): Transition<VersionRecord> {
  const changes: Change[] = [
    ...versionChanges(record, content),
    { table: 'keyspace', id: keyspace.uid, record: withoutAttempt(keyspace, content) },
    committedLoad(load, content, 'REJECTED', terms, record.rejection),
    ...retireRejected(state, record, keepOf(keyspace)),
  ];
  return { changes, result: record };
}

function versionChanges(record: VersionRecord, content: CommitContent): Change[] {
  const { uid } = record;
  const id = versionId(uid, content.version);
  const manifest: ManifestRecord = {
    uid,
    version: content.version,
    segments: content.segments,
    ...(content.overwritten === undefined ? {} : { overwritten: content.overwritten }),
  };
  return [
    { table: 'version', id, record },
    { table: 'manifest', id, record: manifest },
  ];
}

/**
 * Removes the attempt if it is of this content. An attempt at other content stays: datanodes have
 * seen its number.
 */
function withoutAttempt(keyspace: KeyspaceRecord, content: CommitContent): KeyspaceRecord {
  if (keyspace.attempt?.fingerprint !== content.fingerprint) return keyspace;
  const { attempt: _done, ...rest } = keyspace;
  return { ...rest, nextVersion: Math.max(keyspace.nextVersion, content.version + 1) };
}

function committedLoad(
  load: LoadRecord,
  content: CommitContent,
  how: 'COMMITTED' | 'REJECTED',
  terms: CommitTerms,
  reason?: string,
): Change {
  const { digest, records, version } = content;
  const end = { progress: terms.progress, nowIso: content.nowIso };
  const ended = endedLoad(load, how, reason === undefined ? end : { ...end, reason });
  return { ...ended, record: { ...ended.record, version, records, digest } };
}

function versionRecord(
  load: LoadRecord,
  content: CommitContent,
  terms: CommitTerms,
): VersionRecord {
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
    ...(load.input === undefined ? {} : { input: load.input }),
    inputFingerprint: terms.inputFingerprint ?? load.inputFingerprint,
    loadId: load.id,
    committedAt: content.nowIso,
    fingerprint: content.fingerprint,
    gate: gateRecord(terms.gate),
    copies: terms.copies,
    ...(content.appended === undefined ? {} : { append: content.appended.append }),
  };
}
