// The catalog's records as an archive has them (archive/layout.ts). Pure.

import type {
  ArchivedKeyspace,
  ArchivedManifest,
  ArchivedTotals,
  Snapshot,
} from '../../archive/archived.ts';
import { archivedIn } from './archive-transitions.ts';
import type { CatalogState } from './catalog.ts';
import { clusterOf, isHeld, versionsByKeyspace } from './queries.ts';
import { versionId } from './records.ts';
import type { KeyspaceRecord, ManifestRecord, VersionRecord } from './records.ts';
import type { TotalsRecord } from './totals.ts';

export function archivedManifest(
  version: VersionRecord,
  { overwritten = {}, segments }: ManifestRecord,
  shardCount: number,
): ArchivedManifest {
  const { committedAt, input = '', inputFingerprint, number, source, state, uid } = version;
  return {
    keyspaceUid: uid,
    shardCount,
    version: {
      ...totalsOf(version),
      number,
      isRejected: state === 'REJECTED',
      source,
      input,
      inputFingerprint,
      committedAt,
    },
    segments: segments.map((segment) => ({
      id: segment.id,
      shard: segment.shard,
      fileBytes: segment.fileBytes,
      ...totalsOf(segment),
    })),
    overwritten: Object.fromEntries(
      Object.entries(overwritten).map(([id, totals]) => [id, totalsOf(totals)]),
    ),
  };
}

/** What of the catalog is in `store`: keyspaces that have a version there, with these versions. */
export function snapshotOf(state: CatalogState, store: string, createdAt: string): Snapshot {
  const { id: clusterId, shardCount } = clusterOf(state);
  const versions = versionsByKeyspace(state);
  const keyspaces = [...state.keyspace.values()]
    .filter((keyspace) => keyspace.state !== 'DELETING')
    .map((keyspace) => keyspaceOf(state, keyspace, versions.get(keyspace.uid) ?? [], store))
    .filter((keyspace) => keyspace.versions.length > 0)
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  return { clusterId, shardCount, createdAt, keyspaces };
}

function keyspaceOf(
  state: CatalogState,
  { desired, name, uid }: KeyspaceRecord,
  all: readonly VersionRecord[],
  store: string,
): ArchivedKeyspace {
  const { currentVersion, keep, replication, suspended, tier, uncached } = desired;
  const versions: ArchivedKeyspace['versions'][number][] = [];
  let current = 0;
  for (const { number, records, segmentBytes, state: how } of all.filter(isHeld)) {
    const archived = archivedIn(state, versionId(uid, number), store);
    if (archived === undefined) continue;
    versions.push({ number, records, segmentBytes, manifest: archived.manifest });
    // Until the current version is in the store, the last one before it that is.
    if (number === currentVersion || (number < currentVersion && how === 'COMMITTED')) {
      current = number;
    }
  }
  return {
    uid,
    name,
    currentVersion: current,
    ...(replication > 0 && { replication }),
    ...(keep !== undefined && { keep }),
    ...(suspended !== undefined && { suspended }),
    ...(uncached !== undefined && { uncached }),
    ...(tier === 'disk' && { tier }),
    versions,
  };
}

function totalsOf({ digest, keyBytes, records, valueBytes }: TotalsRecord): ArchivedTotals {
  return { records, keyBytes, valueBytes, digest };
}
