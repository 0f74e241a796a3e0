// What must hold at the moment at which a change of the catalog is durable: a version becomes
// current, or segments of one are replaced by what they were merged to.

import type { CatalogState, Change } from '../../../master/catalog/catalog.ts';
import type { ManifestRecord, VersionRecord } from '../../../master/catalog/records.ts';
import { ownersOf } from '../../../master/core/world/world.ts';
import type { Cluster } from '../cluster/cluster.ts';

/** A copy that was counted on may have been on a disk that a fault has emptied in this time. */
const EMPTIED_MS = 20_000;
/** A store that did not answer makes a change so long after it was decided. */
const LATE_MS = 10_000;
/** A merge may be decided just before a datanode is resumed, and be durable just after. */
const RESUMED_MS = 1_000;

/** By cluster: when a datanode last became an owner again. */
const resumedAtMs = new WeakMap<Cluster, number>();

export function judgeFlips(
  cluster: Cluster,
  changes: readonly Change[],
  before: CatalogState,
  after: CatalogState,
): void {
  for (const change of changes) {
    if (change.record === undefined) continue;
    if (change.table === 'version') {
      const load = changes.find(
        ({ id, table }) => table === 'load' && id === (change.record as VersionRecord).loadId,
      );
      if (load !== undefined && change.record.state === 'COMMITTED')
        committed(cluster, change.record, before, after);
    }
    if (change.table === 'node' && before.node.get(change.id)?.drain === true) {
      if (!change.record.drain) resumedAtMs.set(cluster, cluster.clock.nowMs);
    }
    if (change.table === 'manifest') {
      const old = before.manifest.get(change.id);
      if (old !== undefined) merged(cluster, old, change.record);
    }
  }
}

function committed(
  cluster: Cluster,
  { append, copies, loadId, number, uid }: VersionRecord,
  before: CatalogState,
  after: CatalogState,
): void {
  const { clock, judge } = cluster;
  const state = before.load.get(loadId)?.state;
  if (state !== 'RUNNING') {
    judge.fail(`load ${loadId} makes version ${number} of ${uid}, and is ${state}`);
  }
  const isEmptied = clock.nowMs - cluster.emptiedAtMs < EMPTIED_MS ? 1 : 0;
  const manifest = [...after.manifest.values()].find(
    (one) => one.uid === uid && one.version === number,
  );
  const wanted = copies?.least ?? 1;
  for (const { id } of manifest?.segments ?? []) {
    const name = `${uid} ${id}`;
    const found = [...cluster.datanodes.values()].filter((node) => judge.isCountedOn(node, name));
    if (found.length + isEmptied < wanted) {
      judge.fail(`${id} of ${uid} is committed with ${found.length} of ${wanted} copies`);
    }
  }
  if (append === undefined) return;
  const base = before.keyspace.get(uid)?.desired.currentVersion ?? 0;
  judge.contents.appended(uid, number, base, judge.loads.get(loadId) ?? [], append);
}

/** Every owner that serves and had what was merged has what came of it. */
function merged(cluster: Cluster, before: ManifestRecord, after: ManifestRecord): void {
  const { clock, datanodes, judge, master, metadata } = cluster;
  // Who serves may have changed since it was decided.
  const sinceMs = clock.nowMs - Math.max(metadata.hangsUntilMs, cluster.emptiedAtMs);
  if (sinceMs < LATE_MS || clock.nowMs - (resumedAtMs.get(cluster) ?? 0) < RESUMED_MS) return;
  const world = master.plane?.leader.world;
  const dataset = world?.datasets.find(
    (one) => one.uid === before.uid && one.version === before.version,
  );
  if (world === undefined || dataset === undefined) return;
  const old = new Set(before.segments.map(({ id }) => id));
  const kept = new Set(after.segments.map(({ id }) => id));
  for (const { id, shard } of after.segments.filter((one) => !old.has(one.id))) {
    const ids = before.segments.filter((one) => one.shard === shard && !kept.has(one.id));
    for (const ownerId of ownersOf(world, dataset, shard)) {
      const node = datanodes.get(ownerId);
      const isServing = world.nodes.get(ownerId)?.liveness === 'SERVING';
      if (node === undefined || !isServing) continue;
      const isThere = (name: string): boolean => judge.isCountedOn(node, name);
      const hadAll = ids.every((one) => isThere(`${before.uid} ${one.id}`));
      if (hadAll && !isThere(`${before.uid} ${id}`)) {
        judge.fail(`${id} of ${before.uid} is merged, and not on ${ownerId}`);
      }
    }
  }
}
