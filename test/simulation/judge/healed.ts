// What a cluster must come to once no fault goes on.

import { DELTAS_MAX } from '../../../base/limits.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ownersOf } from '../../../master/core/world/world.ts';
import type { World } from '../../../master/core/world/world.ts';

/** What is still to be done, the first that is found; empty: all is well. */
export function unhealed(sim: Cluster): string {
  const { loader, master, metadata } = sim;
  const state = master.plane?.leader.control.state;
  if (state === undefined) return 'the master is starting';
  const follower = notFollowing(sim);
  if (follower !== '') return follower;
  if (loader.running > 0) return 'a load is running';
  if ([...metadata.stored.catalog.load.values()].some((load) => load.state === 'RUNNING'))
    return 'a load is open';
  if (state.health.status !== HealthStatus.GREEN) return `health ${state.health.status}`;
  if (state.facts.leaving.length > 0 || state.facts.deleting.size > 0)
    return 'something is leaving';
  if (state.inFlight.size > 0) return 'copies';
  if (state.merges.size > 0) return 'deltas are being merged';
  const archive = master.plane?.leader.archiving?.report();
  if (archive !== undefined && archive.waiting.length > 0)
    return `not archived: ${archive.waiting[0]?.reason}`;
  for (const loop of state.loops.values()) if (loop.error !== '') return `repairing: ${loop.error}`;
  return misplaced(sim, state.world) || leftOver(sim, state.world);
}

/** Every other master serves the view of the one that leads. */
function notFollowing({ master, several }: Cluster): string {
  const view = master.plane?.leader.current();
  for (const { id, seat } of several?.masters ?? []) {
    const own = seat?.operations.current();
    if (own?.epoch !== view?.epoch || own?.revision !== view?.revision)
      return `${id} serves view ${own?.epoch}/${own?.revision}`;
  }
  return '';
}

/**
 * Every owner has every segment of every kept version, intact; no node has segments of other
 * owners.
 */
function misplaced({ datanodes, judge }: Cluster, world: World): string {
  const wanted = new Map<string, Set<string>>();
  for (const dataset of world.datasets) {
    for (const [shard, segments] of dataset.segmentsByShard.entries()) {
      for (const { id } of segments) {
        const name = `${dataset.uid} ${id}`;
        const owners = ownersOf(world, dataset, shard);
        wanted.set(name, new Set([...(wanted.get(name) ?? []), ...owners]));
      }
    }
  }
  for (const [name, owners] of wanted) {
    for (const node of datanodes.values()) {
      const has = judge.isDurableOn(node, name);
      if (has !== owners.has(node.id)) return `${name} on ${node.id}: ${has}`;
    }
  }
  return '';
}

/** What was merged away is gone, wherever no kept version has it still. */
function leftOver({ datanodes }: Cluster, { datasets }: World): string {
  const kept = new Set(
    datasets.flatMap(({ segmentsByShard, uid }) =>
      segmentsByShard.flat().map(({ id }) => `${uid} ${id}`),
    ),
  );
  for (const { current, merged, segmentsByShard, suspended, uid } of datasets) {
    const longest = Math.max(...segmentsByShard.map((chain) => chain.length));
    if (current && longest > DELTAS_MAX + 1 && !suspended)
      return `a shard of ${uid} has ${longest} segments`;
    for (const id of merged) {
      const name = `${uid} ${id}`;
      const holder = [...datanodes.values()].find((node) => node.segmentFile(name) !== undefined);
      if (!kept.has(name) && holder !== undefined) return `${name} is left on ${holder.id}`;
    }
  }
  return '';
}
