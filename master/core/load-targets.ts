// Where a load sends its segments. Pure.
//
// To the owners of each shard that serve. In the place of one whose disk is full or fails comes another node
// that can take segments, so that the load goes on; repair brings the owner its copy when its disk is
// well, and only then does the other one give it up. Where nobody else can take them, the owner
// stays: what it answers tells the loader what to do.

import type { LoadTargets } from '../../proto/gen/stele/v1/load.ts';
import { mayServe, takesSegments } from './membership.ts';
import type { NodeStatus } from './membership.ts';
import { nodeView } from './routes.ts';
import type { World } from './world.ts';

/** Fewer are probes and people. */
const READS_PER_SECOND_MIN = 20;

/** `replication`: of the keyspace that is loaded. */
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
 * Whether a load has somewhere to go. Nodes in doubt count, as they do for the copies that it needs: within a few
 * heartbeats they serve again, or are down, and the load waits for them as for a node that it has lost.
 */
export function canLoad({ draining, nodes }: Pick<World, 'nodes' | 'draining'>): boolean {
  return [...nodes.values()].some((node) => mayServe(node) && !draining.has(node.id));
}

function isRead({ report }: NodeStatus): boolean {
  return (report?.stats?.lookupsPerSecond ?? 0) >= READS_PER_SECOND_MIN;
}

/** `owners`, with another node for each that cannot take segments as far as there are others. */
function replaced(
  owners: readonly string[],
  stand: readonly NodeStatus[],
  shard: number,
): string[] {
  const spare = stand.map(({ id }) => id).filter((id) => !owners.includes(id));
  // The shards of a full node go to all others alike.
  const rotated = spare.map((_unused, index) => spare[(index + shard) % spare.length] ?? '');
  return owners.map((id) => (stand.some((node) => node.id === id) ? id : (rotated.shift() ?? id)));
}
