// Makes another version current: only one that can be read completely.

import { SteleError } from '../../base/errors.ts';
import type { KeyspaceUid } from '../../base/ids.ts';
import { requireAwake } from '../catalog/keyspace-transitions.ts';
import {
  promote,
  promoteTarget,
  rollback,
  rollbackTarget,
} from '../catalog/version-transitions.ts';
import type { Moved } from '../catalog/version-transitions.ts';
import type { Leader } from '../control/leader.ts';
import { eligibleNodes, servesShard } from '../core/world/world.ts';

/**
 * Rolls back at once, also while nodes are down: one serving replica of each shard is enough. Throws
 * VERSION_NOT_FOUND, and REPLICAS_MISSING if the version could not be read completely.
 */
export async function rollBack(leader: Leader, name: string, wanted: number): Promise<Moved> {
  const { catalog } = leader;
  // By number: the meaning of the request must not change after this check.
  const { to } = rollbackTarget(catalog.state, name, wanted);
  // Checked in the transition, after changes that were requested before.
  return await catalog.update((state) => {
    const { keyspace } = rollbackTarget(state, name, to);
    requireAwake(keyspace);
    requireReplicas(leader, keyspace.uid, keyspace.name, to, 1);
    return rollback(state, name, to);
  });
}

/**
 * Makes a rejected or an older version current, once all its replicas exist. Throws
 * VERSION_NOT_FOUND and REPLICAS_MISSING.
 */
export async function promoteVersion(leader: Leader, name: string, wanted: number): Promise<Moved> {
  const { catalog } = leader;
  const { to } = promoteTarget(catalog.state, name, wanted);
  return await catalog.update((state) => {
    const { keyspace } = promoteTarget(state, name, to);
    requireAwake(keyspace);
    const { world } = leader;
    const replication = keyspace.desired.replication || world.replication;
    const needed = Math.max(1, Math.min(replication, eligibleNodes(world).length));
    const found = requireReplicas(leader, keyspace.uid, keyspace.name, to, needed);
    const copies = { least: Math.min(found, replication), wanted: replication };
    return promote(state, name, to, copies);
  });
}

/**
 * The number of serving replicas of the shard that has the fewest. Throws REPLICAS_MISSING below
 * `wanted`.
 */
function requireReplicas(
  { world }: Leader,
  uid: KeyspaceUid,
  name: string,
  version: number,
  wanted: number,
): number {
  const dataset = world.datasets.find((other) => other.uid === uid && other.version === version);
  const nodes = [...world.nodes.values()];
  let least = nodes.length;
  for (let shard = 0; shard < world.shardCount; shard++) {
    const serving =
      dataset === undefined ? [] : nodes.filter((node) => servesShard(world, node, dataset, shard));
    least = Math.min(least, serving.length);
    if (serving.length >= wanted) continue;
    throw new SteleError(
      'REPLICAS_MISSING',
      `Version ${version} of keyspace '${name}' has ${serving.length} of ${wanted} serving replicas of shard ${shard}; wait until its datanodes are back or its copies are made (\`stele nodes\`).`,
    );
  }
  return least;
}
