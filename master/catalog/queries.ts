// Queries of a catalog state. Pure.

import type { KeyspaceUid } from '../../base/ids.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { KEEP_DEFAULT } from '../../base/limits.ts';
import type { CatalogState } from './catalog.ts';
import type {
  ClusterRecord,
  KeyspaceRecord,
  LoadRecord,
  ManifestRecord,
  Tables,
  VersionRecord,
} from './records.ts';

/** More than the number of merges of any manifest. */
const REVISIONS_PER_SKIP = 100_000;

/** Virtual nodes per unit of a datanode's weight. */
export function virtualNodesOf(state: CatalogState): number {
  const { shardCount, virtualNodes } = clusterOf(state);
  return virtualNodes ?? shardCount;
}

/** The cluster's record. Throws INTERNAL if it is missing; the first start writes it. */
export function clusterOf(state: CatalogState): ClusterRecord {
  const record = state.cluster.get('');
  if (record === undefined) throw new SteleError('INTERNAL', 'The catalog has no cluster record.');
  return record;
}

export function epochOf(state: CatalogState): number {
  return state.epoch.get('')?.epoch ?? 0;
}

/** The start of the master that took the epoch; empty if an earlier release took it. */
export function termOf(state: CatalogState): string {
  return state.epoch.get('')?.term ?? '';
}

/**
 * The revision of a manifest as sent to datanodes. It skips revisions that datanodes may have seen
 * in a history that this catalog has lost.
 */
export function revisionOf(state: CatalogState, manifest: ManifestRecord | undefined): number {
  return countersOf(state).skips * REVISIONS_PER_SKIP + (manifest?.revision ?? 0);
}

/**
 * The counters. For a catalog of an earlier release, which has no such record: above all numbers in
 * use.
 */
export function countersOf(state: CatalogState): Tables['counters'] {
  const known = state.counters.get('');
  if (known !== undefined) return known;
  const indexes = [...state.keyspace.values()].map(({ index }) => index);
  return { nextIndex: Math.max(0, ...indexes) + 1, skips: 0 };
}

/** The keyspace with this name. A keyspace that is being deleted no longer has a name. */
export function findKeyspace(state: CatalogState, name: string): KeyspaceRecord | undefined {
  for (const keyspace of state.keyspace.values()) {
    if (keyspace.name === name && keyspace.state !== 'DELETING') return keyspace;
  }
  return undefined;
}

/**
 * Whether a keyspace that nobody created has no version and no running load that could make one (one
 * may be interrupted). Users do not see such a keyspace; its record stays while its first load may be
 * resumed (removeGhosts).
 */
export function isGhost(state: CatalogState, { desired, isCreated, uid }: KeyspaceRecord): boolean {
  if (isCreated === true) return false;
  const load = runningLoad(state, uid);
  const isLoaded = load !== undefined && load.interruptedAt === undefined;
  if (desired.currentVersion !== 0 || isLoaded) return false;
  return !versionsOf(state, uid).some(isHeld);
}

/** Like findKeyspace, but throws KEYSPACE_NOT_FOUND, also for a ghost. */
export function requireKeyspace(state: CatalogState, name: string): KeyspaceRecord {
  const keyspace = findKeyspace(state, name);
  if (keyspace !== undefined && !isGhost(state, keyspace)) return keyspace;
  throw new SteleError(
    'KEYSPACE_NOT_FOUND',
    `There is no keyspace '${shorten(name)}'; \`stele keyspaces\` lists those there are.`,
  );
}

/** All version records of one keyspace, ascending. */
export function versionsOf(state: CatalogState, uid: KeyspaceUid): VersionRecord[] {
  return [...state.version.values()]
    .filter((version) => version.uid === uid)
    .sort((left, right) => left.number - right.number);
}

/** The versions available for a rollback, including the current one, ascending. */
export function keptVersions(state: CatalogState, uid: KeyspaceUid): VersionRecord[] {
  return versionsOf(state, uid).filter((version) => version.state === 'COMMITTED');
}

/** Whether datanodes keep the complete version, so that it can be read by its number. */
export function isHeld(version: VersionRecord): boolean {
  return version.state === 'COMMITTED' || version.state === 'REJECTED';
}

export function keepOf(keyspace: KeyspaceRecord): number {
  return keyspace.desired.keep ?? KEEP_DEFAULT;
}

/** All version records by keyspace, ascending, for callers that need all keyspaces. */
export function versionsByKeyspace(state: CatalogState): Map<KeyspaceUid, VersionRecord[]> {
  const byUid = new Map<KeyspaceUid, VersionRecord[]>();
  for (const version of state.version.values()) {
    const versions = byUid.get(version.uid);
    if (versions === undefined) byUid.set(version.uid, [version]);
    else versions.push(version);
  }
  for (const versions of byUid.values()) versions.sort((left, right) => left.number - right.number);
  return byUid;
}

export function runningLoad(state: CatalogState, uid: KeyspaceUid): LoadRecord | undefined {
  for (const load of state.load.values()) {
    if (load.keyspaceUid === uid && load.state === 'RUNNING') return load;
  }
  return undefined;
}
