// Pure transitions of a bulk load, except its commit (commit-transitions.ts).
//
//   RUNNING --commit-------------------> COMMITTED | REJECTED (the gate)
//      +-----the loader gave up---------> FAILED
//      +-----cancel, keyspace dropped---> CANCELLED
//      +-----silent, superseded---------> ABANDONED
//
// A load whose loader has shut down cleanly stays RUNNING, with the time of the interruption: it
// may be resumed.
//
// Invariants: at most one RUNNING load per keyspace; an ended load never changes; the history is
// bounded.

import type { KeyspaceUid } from '../../base/ids.ts';
import { SteleError, suspendedError } from '../../base/errors.ts';
import { newKeyspaceName } from '../../base/ids.ts';
import { KEYSPACE_COUNT_MAX } from '../../base/limits.ts';
import type { TierWord } from '../../proto/view-words.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { countersOf, findKeyspace, isGhost, runningLoad } from './queries.ts';
import type { KeyspaceRecord, LoadProgressRecord, LoadRecord, LoadState } from './records.ts';

const DEFAULT_KEYSPACE = 'default';
/** Records kept of ended loads: a history for people, and the answer to a repeated CommitLoad. */
const ENDED_LOADS_PER_KEYSPACE = 20;
const ENDED_LOADS_MAX = 1000;

export interface NewLoad {
  readonly id: string;
  /** Used for a keyspace that does not exist yet. */
  readonly keyspaceUid: KeyspaceUid;
  /** Whether the keyspace must have this uid. */
  readonly isRestore?: boolean;
  /** The tier of the keyspace from now on; undefined: unchanged. */
  readonly tier?: TierWord | undefined;
  readonly keyspace: string;
  readonly source: string;
  readonly input: string;
  readonly inputFingerprint: string;
  readonly minReplicas: number;
  readonly mode: NonNullable<LoadRecord['mode']>;
  readonly owner: NonNullable<LoadRecord['owner']>;
  /** Empty: none. */
  readonly workToken: string;
  readonly nowIso: string;
}

export interface BegunLoad {
  readonly load: LoadRecord;
  readonly keyspace: KeyspaceRecord;
}

/** State of a running load outside its record. */
export interface Liveness {
  /** True if its lease has ended: another load may replace it. */
  readonly mayReplace: boolean;
  readonly progress: LoadProgressRecord | undefined;
  /** Its progress, for people. */
  readonly text: string;
}

/**
 * Starts a load. Throws SUSPENDED, LOAD_IN_PROGRESS with the other load and its progress, and
 * CONFLICT if a restore asks for a uid that it cannot have.
 */
export function beginLoad(
  state: CatalogState,
  wanted: NewLoad,
  livenessOf: (load: LoadRecord) => Liveness,
): Transition<BegunLoad> {
  const changes: Change[] = [];
  if (wanted.isRestore === true) requireUid(state, wanted);
  const known = findKeyspace(state, wanted.keyspace);
  const before = known ?? newKeyspace(state, wanted);
  const keyspace = wanted.tier === undefined ? before : inTier(before, wanted.tier);
  if (known === undefined) changes.push(...added(state, keyspace));
  else if (keyspace !== known) changes.push({ table: 'keyspace', id: known.uid, record: keyspace });
  if (keyspace.desired.suspended === true) throw suspendedError(keyspace.name);
  const other = runningLoad(state, keyspace.uid);
  if (other !== undefined) {
    const { mayReplace, progress, text } = livenessOf(other);
    const isSameFolder = wanted.workToken !== '' && other.workToken === wanted.workToken;
    const isFree = mayReplace || isSameFolder || other.interruptedAt !== undefined;
    if (!isFree) throw inProgress(wanted.keyspace, other, text);
    const ended = other.interruptedAt === undefined ? 'its lease had ended' : 'it was interrupted';
    const why = isSameFolder ? 'from the same work folder' : `after ${ended}`;
    const reason = `load ${wanted.id} took its place ${why}`;
    changes.push(endedLoad(other, 'ABANDONED', { reason, progress, nowIso: wanted.nowIso }));
  }
  const { id, input, inputFingerprint, minReplicas, mode, owner, source, workToken } = wanted;
  const load: LoadRecord = {
    id,
    keyspaceUid: keyspace.uid,
    state: 'RUNNING',
    source,
    input,
    inputFingerprint,
    minReplicas,
    mode,
    ...(mode === 'APPEND' ? { base: keyspace.desired.currentVersion } : {}),
    owner,
    workToken,
    startedAt: wanted.nowIso,
  };
  changes.push({ table: 'load', id, record: load }, ...pruneLoads(state, keyspace.uid));
  return { changes, result: { load, keyspace } };
}

/** The keyspace with this tier; the same record if it has it. */
export function inTier(keyspace: KeyspaceRecord, tier: TierWord): KeyspaceRecord {
  if ((keyspace.desired.tier ?? 'memory') === tier) return keyspace;
  return { ...keyspace, desired: { ...keyspace.desired, tier } };
}

function requireUid(state: CatalogState, { keyspace: name, keyspaceUid }: NewLoad): void {
  const named = findKeyspace(state, name);
  if (named?.uid === keyspaceUid) return;
  const other = state.keyspace.get(keyspaceUid);
  if (named === undefined && other === undefined) return;
  const why =
    named === undefined
      ? `the uid ${keyspaceUid} belongs to keyspace '${other?.name}'`
      : `there is a keyspace '${name}' with another uid`;
  throw new SteleError('CONFLICT', `Keyspace '${name}' cannot be restored as it was: ${why}.`);
}

function inProgress(keyspace: string, load: LoadRecord, progress: string): SteleError {
  return new SteleError(
    'LOAD_IN_PROGRESS',
    `Load ${load.id} of '${load.source}' into keyspace '${keyspace}'${byWhom(load)} is under way (${progress}); wait for it, or stop it with \`stele load --cancel ${load.id}\`.`,
  );
}

function byWhom({ owner }: LoadRecord): string {
  if (owner === undefined || owner.host === '') return '';
  const user = owner.user === '' ? '' : `${owner.user}@`;
  return ` by ${user}${owner.host} (process ${owner.pid})`;
}

/**
 * Makes a keyspace without a version. One of that name stays as it is, and is not removed any more
 * when its first load fails.
 */
export function createKeyspace(
  state: CatalogState,
  wanted: Pick<NewLoad, 'keyspace' | 'keyspaceUid' | 'nowIso'>,
): Transition<{ readonly keyspace: KeyspaceRecord; readonly isNew: boolean }> {
  const found = findKeyspace(state, wanted.keyspace);
  if (found?.isCreated === true) return { changes: [], result: { keyspace: found, isNew: false } };
  const isNew = found === undefined || isGhost(state, found);
  const keyspace = { ...(found ?? newKeyspace(state, wanted)), isCreated: true as const };
  const changes: Change[] =
    found === undefined
      ? added(state, keyspace)
      : [{ table: 'keyspace', id: keyspace.uid, record: keyspace }];
  return { changes, result: { keyspace, isNew } };
}

function newKeyspace(
  state: CatalogState,
  wanted: Pick<NewLoad, 'keyspace' | 'keyspaceUid' | 'nowIso'>,
): KeyspaceRecord {
  const name = newKeyspaceName(wanted.keyspace);
  if (state.keyspace.size >= KEYSPACE_COUNT_MAX) {
    throw new SteleError(
      'OVERLOADED',
      `There are ${state.keyspace.size} keyspaces, which is the most a cluster holds; drop one with \`stele drop\`.`,
    );
  }
  return {
    uid: wanted.keyspaceUid,
    name,
    index: name === DEFAULT_KEYSPACE ? 0 : countersOf(state).nextIndex,
    state: 'INITIALIZING',
    desired: { currentVersion: 0, replication: 0 },
    nextVersion: 1,
    createdAt: wanted.nowIso,
  };
}

/**
 * Adds a keyspace. An index is never reused, not even after a drop: clients that SELECT by number
 * may still have it.
 */
function added(state: CatalogState, keyspace: KeyspaceRecord): Change[] {
  const counters = countersOf(state);
  const nextIndex = Math.max(counters.nextIndex, keyspace.index + 1);
  return [
    { table: 'keyspace', id: keyspace.uid, record: keyspace },
    { table: 'counters', id: '', record: { ...counters, nextIndex } },
  ];
}

/**
 * The oldest ended loads beyond the limits: per keyspace for `uid`, to which one is about to be
 * added, and in total.
 */
function pruneLoads(state: CatalogState, uid: KeyspaceUid): Change[] {
  const ended = [...state.load.values()]
    .filter((load) => load.state !== 'RUNNING')
    .sort((left, right) => (left.startedAt < right.startedAt ? -1 : 1));
  const ofKeyspace = ended.filter((load) => load.keyspaceUid === uid);
  const gone = new Set([
    ...ofKeyspace.slice(0, Math.max(0, ofKeyspace.length - ENDED_LOADS_PER_KEYSPACE)),
    ...ended.slice(0, Math.max(0, ended.length - ENDED_LOADS_MAX)),
  ]);
  return [...gone].map((load) => ({ table: 'load', id: load.id, record: undefined }));
}

export interface LoadEnd {
  readonly reason?: string;
  readonly progress?: LoadProgressRecord | undefined;
  readonly nowIso: string;
}

/** Ends a load that did not become a version, with the numbers it last reported. */
export function endLoad(
  state: CatalogState,
  id: string,
  how: Exclude<LoadState, 'RUNNING' | 'COMMITTED' | 'REJECTED'>,
  end: LoadEnd,
): Transition<LoadRecord> {
  const load = state.load.get(id);
  if (load === undefined) throw loadNotFound(id);
  if (load.state !== 'RUNNING') return { changes: [], result: load };
  const change = endedLoad(load, how, end);
  return { changes: [change], result: change.record };
}

/**
 * Records that the loader has stopped. Does not change a load that is over. Throws LOAD_NOT_FOUND.
 */
export function interruptLoad(
  state: CatalogState,
  id: string,
  end: LoadEnd,
): Transition<LoadRecord> {
  const load = state.load.get(id);
  if (load === undefined) throw loadNotFound(id);
  if (load.state !== 'RUNNING') return { changes: [], result: load };
  const { nowIso, progress, reason } = end;
  const record: LoadRecord = {
    ...load,
    interruptedAt: nowIso,
    ...(progress === undefined ? {} : { progress }),
    ...(reason === undefined ? {} : { reason }),
  };
  return { changes: [{ table: 'load', id, record }], result: record };
}

/** Throws LOAD_NOT_FOUND, and CONFLICT for a load that is over. */
export function cancelLoad(state: CatalogState, id: string, end: LoadEnd): Transition<LoadRecord> {
  const load = state.load.get(id);
  if (load !== undefined && load.state !== 'RUNNING') {
    throw new SteleError('CONFLICT', `Load ${id} is over already: ${load.state.toLowerCase()}.`);
  }
  return endLoad(state, id, 'CANCELLED', end);
}

export function endedLoad(load: LoadRecord, how: LoadState, end: LoadEnd) {
  const { nowIso, progress, reason } = end;
  const record: LoadRecord = {
    ...load,
    state: how,
    endedAt: nowIso,
    ...(progress === undefined ? {} : { progress }),
    ...(reason === undefined ? {} : { reason }),
  };
  return { table: 'load', id: load.id, record } as const;
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

/** Resumes an interrupted load. An append continues from the version that is current now. */
export function resumeLoad(state: CatalogState, id: string): Transition<BegunLoad> {
  const { keyspace, load } = requireRunning(state, id);
  const base = keyspace.desired.currentVersion;
  const isRebased = load.mode === 'APPEND' && load.base !== base;
  if (!isRebased && load.interruptedAt === undefined) {
    return { changes: [], result: { keyspace, load } };
  }
  const { interruptedAt: _over, reason: _why, ...running } = load;
  const record: LoadRecord = isRebased ? { ...running, base } : running;
  return { changes: [{ table: 'load', id, record }], result: { keyspace, load: record } };
}
