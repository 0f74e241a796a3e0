// The part of the world that comes from the catalog: kept and leaving versions. Pure.

import type { KeyspaceUid } from '../../../base/ids.ts';
import type { CatalogState } from '../../catalog/catalog.ts';
import { clusterOf, isHeld, revisionOf, versionsByKeyspace } from '../../catalog/queries.ts';
import { fingerprintOf } from '../../catalog/messages.ts';
import { versionId } from '../../catalog/records.ts';
import type {
  KeyspaceRecord,
  ManifestRecord,
  SegmentRecord,
  VersionRecord,
} from '../../catalog/records.ts';
import type { Dataset, Leaving, LeavingName } from './world.ts';

/** The part of a keyspace's view that comes from the catalog alone. */
export interface ViewKeyspace {
  readonly record: KeyspaceRecord;
  /** Kept versions, ascending. */
  readonly versions: readonly number[];
  /** Fingerprints of `versions`, in the same order. */
  readonly fingerprints: readonly string[];
  readonly records: number;
}

export interface CatalogFacts {
  readonly datasets: readonly Dataset[];
  readonly leaving: readonly Leaving[];
  readonly deleting: ReadonlySet<KeyspaceUid>;
  /** Leaving versions, and keyspaces that are being deleted. */
  readonly leavingNames: readonly LeavingName[];
  /** Uids of keyspaces that are not being deleted. */
  readonly keyspaceUids: readonly KeyspaceUid[];
  readonly keyspaces: readonly ViewKeyspace[];
  /** All keyspaces, including those that are being deleted. */
  readonly records: readonly KeyspaceRecord[];
  readonly draining: ReadonlySet<string>;
  /** Uids of keyspaces into which a load runs. */
  readonly loading: ReadonlySet<KeyspaceUid>;
}

/**
 * `replication`: the cluster's, for keyspaces that set none. `before`: of an earlier state, whose
 * datasets are used again if they are the same, so that nothing is counted again.
 */
export function catalogFacts(
  state: CatalogState,
  replication: number,
  before?: CatalogFacts,
): CatalogFacts {
  const { shardCount } = clusterOf(state);
  const versions = versionsByKeyspace(state);
  const live = [...state.keyspace.values()].filter((keyspace) => keyspace.state !== 'DELETING');
  const deleting = deletingUids(state);
  const open = [...state.load.values()].filter((load) => load.state === 'RUNNING');
  const loading = new Set(open.map((load) => load.keyspaceUid));
  const running = open.filter(({ interruptedAt }) => interruptedAt === undefined);
  const active = new Set(running.map((load) => load.keyspaceUid));
  const leaving = leavingVersions(state, versions, loading);
  const isGhost = ({ isCreated, uid }: KeyspaceRecord): boolean =>
    isCreated !== true && !active.has(uid) && versions.get(uid)?.some(isHeld) !== true;
  const datasets = live.flatMap((keyspace) =>
    (versions.get(keyspace.uid) ?? [])
      .filter(isHeld)
      .map((version) => datasetOf(state, keyspace, version, shardCount, replication)),
  );
  return {
    datasets:
      before !== undefined && isSame(before.datasets, datasets) ? before.datasets : datasets,
    leaving,
    deleting,
    leavingNames: [...leaving.map(({ ref }) => ref), ...deleting],
    keyspaceUids: live.map((keyspace) => keyspace.uid),
    records: [...state.keyspace.values()],
    keyspaces: live
      .filter((record) => record.desired.currentVersion > 0 || !isGhost(record))
      .map((record) => viewKeyspace(record, versions.get(record.uid) ?? [])),
    draining: new Set([...state.node.values()].filter((node) => node.drain).map((node) => node.id)),
    loading,
  };
}

/** By version: its last dataset, which is used again while nothing in it changes. */
const made = new WeakMap<VersionRecord, Dataset>();

function datasetOf(
  state: CatalogState,
  keyspace: KeyspaceRecord,
  version: VersionRecord,
  shardCount: number,
  replication: number,
): Dataset {
  const ref = versionId(keyspace.uid, version.number);
  const manifest = state.manifest.get(ref);
  const dataset: Dataset = {
    uid: keyspace.uid,
    name: keyspace.name,
    version: version.number,
    ref,
    current: version.number === keyspace.desired.currentVersion,
    replication: keyspace.desired.replication || replication,
    ...contentOf(manifest, shardCount),
    revision: revisionOf(state, manifest),
    merged: manifest?.merged ?? NO_SEGMENTS,
    suspended: keyspace.desired.suspended ?? false,
  };
  const known = made.get(version);
  if (known !== undefined && isSameDataset(known, dataset)) return known;
  made.set(version, dataset);
  return dataset;
}

function isSame(left: readonly Dataset[], right: readonly Dataset[]): boolean {
  return left.length === right.length && left.every((each, at) => each === right[at]);
}

function isSameDataset(left: Dataset, right: Dataset): boolean {
  for (const name of Object.keys(left) as (keyof Dataset)[]) {
    if (left[name] !== right[name]) return false;
  }
  return true;
}

/** Includes rejected versions, which can be read by their number. */
function viewKeyspace(record: KeyspaceRecord, versions: readonly VersionRecord[]): ViewKeyspace {
  const held = versions.filter(isHeld);
  const current = held.find(({ number }) => number === record.desired.currentVersion);
  return {
    record,
    versions: held.map(({ number }) => number),
    fingerprints: held.map(fingerprintOf),
    records: current?.records ?? 0,
  };
}

const NO_SEGMENTS: Dataset['merged'] = [];
const NO_CHAIN: readonly SegmentRecord[] = [];

type Content = Pick<Dataset, 'segmentsByShard' | 'overwritten'>;

/**
 * By manifest: the same manifest has the same arrays, which shows that nothing has changed in it.
 */
const contents = new WeakMap<ManifestRecord, Content>();

export function contentOf(manifest: ManifestRecord | undefined, shardCount: number): Content {
  const known = manifest && contents.get(manifest);
  if (known?.segmentsByShard.length === shardCount) return known;
  const content = {
    segmentsByShard: byShard(manifest, shardCount),
    overwritten: new Map(Object.entries(manifest?.overwritten ?? {})),
  };
  if (manifest !== undefined) contents.set(manifest, content);
  return content;
}

/**
 * A large catalog has millions of chains, most of one segment: none has room for more than it has.
 */
function byShard(
  manifest: ManifestRecord | undefined,
  shardCount: number,
): Content['segmentsByShard'] {
  const shards = Array.from({ length: shardCount }, () => NO_CHAIN);
  for (const segment of manifest?.segments ?? []) {
    const chain = shards[segment.shard];
    if (chain !== undefined)
      shards[segment.shard] = chain === NO_CHAIN ? [segment] : [...chain, segment];
  }
  return shards;
}

function deletingUids(state: CatalogState): ReadonlySet<KeyspaceUid> {
  const deleting = [...state.keyspace.values()].filter(({ state: now }) => now === 'DELETING');
  return new Set(deleting.map(({ uid }) => uid));
}

/**
 * The versions to remove. None while a load runs into the keyspace: what the load pushes may be,
 * byte for byte, a segment of a retired version.
 */
function leavingVersions(
  state: CatalogState,
  versions: ReadonlyMap<KeyspaceUid, readonly VersionRecord[]>,
  loading: ReadonlySet<KeyspaceUid>,
): Leaving[] {
  const leaving: Leaving[] = [];
  for (const keyspace of state.keyspace.values()) {
    const deleting = keyspace.state === 'DELETING';
    if (!deleting && loading.has(keyspace.uid)) continue;
    for (const version of versions.get(keyspace.uid) ?? []) {
      const leaves = version.state === 'RETIRED' || version.state === 'BURNT';
      if (leaves || (deleting && isHeld(version))) leaving.push(leavingOf(state, version));
    }
  }
  return leaving;
}

function leavingOf(state: CatalogState, { number, uid }: VersionRecord): Leaving {
  const ref = versionId(uid, number);
  const { merged = [], segments = [] } = state.manifest.get(ref) ?? {};
  return { uid, version: number, ref, segmentIds: [...segments.map(({ id }) => id), ...merged] };
}
