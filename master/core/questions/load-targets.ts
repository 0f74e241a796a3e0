// Chooses the nodes to which a load sends its segments. Pure.
//
// These are the serving owners of each shard. An owner whose disk is full or failing is replaced by
// another node that can take segments, so that the load can continue. Repair gives the owner its
// copy when its disk has recovered, and only then does the other node drop its own. If no other
// node can take segments, the owner stays, and its error tells the loader what to do.

import type { LoadTargets } from '../../../proto/gen/stele/v1/load.ts';
import { mayServe, takesSegments } from '../world/membership.ts';
import type { NodeStatus } from '../world/membership.ts';
import { nodeView } from '../serving/routes.ts';
import type { World } from '../world/world.ts';

/** A lower rate comes from probes and people. */
const READS_PER_SECOND_MIN = 20;

/** `replication`: of the keyspace being loaded. */
export function loadTargets(world: World, replication: number): LoadTargets {
  const nodes = [...world.nodes.values()].filter(
    (node) => node.liveness === 'SERVING' && !world.draining.has(node.id),
  );
  const indexById = new Map(nodes.map((node, index) => [node.id, index]));
  const stand = nodes.filter(takesSegments);
  return {
    nodes: nodes.map((node) => nodeView(world, node)),
    readNodes: nodes.flatMap((node, index) => (isRead(node) ? [index] : [])),
    owners: world.owners.map((owners, shard) => {
      const wanted = owners.slice(0, replication).filter((id) => indexById.has(id));
      const ids = replaced(wanted, stand, shard);
      return { nodes: ids.flatMap((id) => indexById.get(id) ?? []) };
    }),
  };
}

/**
 * Whether there is any node to load to. Suspected nodes count, as they do for the required copies:
 * within a few heartbeats they serve again or are down, and the load waits for them as for a node
 * that it has lost.
 */
export function canLoad({ draining, nodes }: Pick<World, 'nodes' | 'draining'>): boolean {
  return [...nodes.values()].some((node) => mayServe(node) && !draining.has(node.id));
}

function isRead({ report }: NodeStatus): boolean {
  return (report?.stats?.lookupsPerSecond ?? 0) >= READS_PER_SECOND_MIN;
}

/** `owners`, with nodes that cannot take segments replaced by others, as far as there are any. */
function replaced(
  owners: readonly string[],
  stand: readonly NodeStatus[],
  shard: number,
): string[] {
  const spare = stand.map(({ id }) => id).filter((id) => !owners.includes(id));
  // Spreads the shards of a full node over all others.
  const rotated = spare.map((_unused, index) => spare[(index + shard) % spare.length] ?? '');
  return owners.map((id) => (stand.some((node) => node.id === id) ? id : (rotated.shift() ?? id)));
}
