// The part of the world that comes from the catalog: what is kept, what is leaving. Pure.

import type { CatalogState } from '../catalog/catalog.ts';
import { clusterOf, keptVersions, runningLoad, versionsOf } from '../catalog/queries.ts';
import { versionId } from '../catalog/records.ts';
import type { ManifestRecord, SegmentRecord } from '../catalog/records.ts';
import type { ViewKeyspace } from './routes.ts';
import type { Dataset, Leaving } from './world.ts';

export interface CatalogFacts {
  readonly datasets: readonly Dataset[];
  readonly leaving: readonly Leaving[];
  readonly deleting: ReadonlySet<string>;
  /** Segment ids that leaving versions had, by keyspace uid. */
  readonly retired: ReadonlyMap<string, ReadonlySet<string>>;
  /** Uids of keyspaces that are not being deleted. */
  readonly keyspaceUids: readonly string[];
  readonly keyspaces: readonly ViewKeyspace[];
  readonly draining: ReadonlySet<string>;
}

/** `replication`: the cluster's, for keyspaces that set none. */
export function catalogFacts(state: CatalogState, replication: number): CatalogFacts {
  const { shardCount } = clusterOf(state);
  const live = [...state.keyspace.values()].filter((keyspace) => keyspace.state !== 'DELETING');
  const datasets = live.flatMap((keyspace) =>
    keptVersions(state, keyspace.uid).map((version): Dataset => {
      const ref = versionId(keyspace.uid, version.number);
      return {
        uid: keyspace.uid,
        name: keyspace.name,
        version: version.number,
        ref,
        current: version.number === keyspace.desired.currentVersion,
        replication: keyspace.desired.replication || replication,
        segmentsByShard: byShard(state.manifest.get(ref), shardCount),
      };
    }),
  );
  const leaving = leavingVersions(state);
  return {
    datasets,
    leaving,
    deleting: deletingUids(state),
    retired: retiredSegments(state, leaving),
    keyspaceUids: live.map((keyspace) => keyspace.uid),
    keyspaces: live.map((record): ViewKeyspace => {
      const versions = keptVersions(state, record.uid);
      const current = versions.find(({ number }) => number === record.desired.currentVersion);
      return {
        record,
        versions: versions.map(({ number }) => number),
        records: current?.records ?? 0,
      };
    }),
    draining: new Set([...state.node.values()].filter((node) => node.drain).map((node) => node.id)),
  };
}

function byShard(manifest: ManifestRecord | undefined, shardCount: number): SegmentRecord[][] {
  const shards = Array.from({ length: shardCount }, (): SegmentRecord[] => []);
  for (const segment of manifest?.segments ?? []) shards[segment.shard]?.push(segment);
  return shards;
}

function deletingUids(state: CatalogState): ReadonlySet<string> {
  const deleting = [...state.keyspace.values()].filter(({ state: now }) => now === 'DELETING');
  return new Set(deleting.map(({ uid }) => uid));
}

/**
 * While a load runs into a keyspace nothing of it leaves: what the load pushes may be, byte for
 * byte, a segment of a retired version.
 */
function leavingVersions(state: CatalogState): Leaving[] {
  const leaving: Leaving[] = [];
  for (const keyspace of state.keyspace.values()) {
    const deleting = keyspace.state === 'DELETING';
    if (!deleting && runningLoad(state, keyspace.uid) !== undefined) continue;
    for (const version of versionsOf(state, keyspace.uid)) {
      const leaves = version.state === 'RETIRED' || version.state === 'REJECTED';
      if (leaves || (deleting && version.state === 'COMMITTED')) {
        leaving.push({ uid: keyspace.uid, version: version.number });
      }
    }
  }
  return leaving;
}

function retiredSegments(
  state: CatalogState,
  leaving: readonly Leaving[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const retired = new Map<string, Set<string>>();
  for (const { uid, version } of leaving) {
    const ids = retired.get(uid) ?? new Set();
    retired.set(uid, ids);
    for (const segment of state.manifest.get(versionId(uid, version))?.segments ?? []) {
      ids.add(segment.id);
    }
  }
  return retired;
}
