// Questions about a catalog state. Pure.

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

/** More than a manifest is ever merged. */
const REVISIONS_PER_SKIP = 100_000;

/** Virtual nodes per unit of a datanode's weight. */
export function virtualNodesOf(state: CatalogState): number {
  const { shardCount, virtualNodes } = clusterOf(state);
  return virtualNodes ?? shardCount;
}

/** The cluster's record; it is written before anything else can be asked. */
export function clusterOf(state: CatalogState): ClusterRecord {
  const record = state.cluster.get('');
  if (record === undefined) throw new SteleError('INTERNAL', 'The catalog has no cluster record.');
  return record;
}

export function epochOf(state: CatalogState): number {
  return state.epoch.get('')?.epoch ?? 0;
}

/** The start of a master that has taken the epoch; empty where an earlier release did. */
export function termOf(state: CatalogState): string {
  return state.epoch.get('')?.term ?? '';
}

/**
 * The revision that datanodes are told of a manifest. It steps over those that datanodes may have seen
 * in a history that this catalog has lost.
 */
export function revisionOf(state: CatalogState, manifest: ManifestRecord | undefined): number {
  return countersOf(state).skips * REVISIONS_PER_SKIP + (manifest?.revision ?? 0);
}

/** Of a catalog of an earlier release, which has no such record: beyond all that it names. */
export function countersOf(state: CatalogState): Tables['counters'] {
  const known = state.counters.get('');
  if (known !== undefined) return known;
  const indexes = [...state.keyspace.values()].map(({ index }) => index);
  return { nextIndex: Math.max(0, ...indexes) + 1, skips: 0 };
}

/** The keyspace that bears `name` now; one that is being deleted has given its name up. */
export function findKeyspace(state: CatalogState, name: string): KeyspaceRecord | undefined {
  for (const keyspace of state.keyspace.values()) {
    if (keyspace.name === name && keyspace.state !== 'DELETING') return keyspace;
  }
  return undefined;
}

/**
 * Whether nothing ever became of a keyspace: it has no version, and no load runs that could make one (one may be interrupted). To users
 * there is no such keyspace; its record stays for as long as its first load may be begun again (removeGhosts).
 */
export function isGhost(state: CatalogState, { desired, uid }: KeyspaceRecord): boolean {
  const load = runningLoad(state, uid);
  const isLoaded = load !== undefined && load.interruptedAt === undefined;
  if (desired.currentVersion !== 0 || isLoaded) return false;
  return !versionsOf(state, uid).some(isHeld);
}

/** As findKeyspace; throws KEYSPACE_NOT_FOUND, also where it is a ghost. */
export function requireKeyspace(state: CatalogState, name: string): KeyspaceRecord {
  const keyspace = findKeyspace(state, name);
  if (keyspace !== undefined && !isGhost(state, keyspace)) return keyspace;
  throw new SteleError(
    'KEYSPACE_NOT_FOUND',
    `There is no keyspace '${shorten(name)}'; \`stele keyspaces\` lists those there are.`,
  );
}

/** All version records of one keyspace, ascending. */
export function versionsOf(state: CatalogState, uid: string): VersionRecord[] {
  return [...state.version.values()]
    .filter((version) => version.uid === uid)
    .sort((left, right) => left.number - right.number);
}

/** The versions that can be gone back to, the current one included, ascending. */
export function keptVersions(state: CatalogState, uid: string): VersionRecord[] {
  return versionsOf(state, uid).filter((version) => version.state === 'COMMITTED');
}

/** Whether datanodes keep the version whole: it can be read by its number. */
export function isHeld(version: VersionRecord): boolean {
  return version.state === 'COMMITTED' || version.state === 'REJECTED';
}

export function keepOf(keyspace: KeyspaceRecord): number {
  return keyspace.desired.keep ?? KEEP_DEFAULT;
}

/** All version records by keyspace, ascending: for those who look at all keyspaces. */
export function versionsByKeyspace(state: CatalogState): Map<string, VersionRecord[]> {
  const byUid = new Map<string, VersionRecord[]>();
  for (const version of state.version.values()) {
    const versions = byUid.get(version.uid);
    if (versions === undefined) byUid.set(version.uid, [version]);
    else versions.push(version);
  }
  for (const versions of byUid.values()) versions.sort((left, right) => left.number - right.number);
  return byUid;
}

export function runningLoad(state: CatalogState, uid: string): LoadRecord | undefined {
  for (const load of state.load.values()) {
    if (load.keyspaceUid === uid && load.state === 'RUNNING') return load;
  }
  return undefined;
}
