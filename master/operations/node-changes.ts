// Restarts a datanode, and removes one that is dead from the cluster.

import { SteleError } from '../../base/errors.ts';
import { listNames } from '../../base/ids.ts';
import { removeNode, requireNode } from '../catalog/cluster-transitions.ts';
import type { Leader } from '../control/leader.ts';
import { lossOfRemoval } from '../core/questions/removal.ts';
import type { Loss } from '../core/questions/removal.ts';

const RESTART_DEADLINE_MS = 5_000;
const LOSSES_NAMED_MAX = 3;
const SHARDS_NAMED_MAX = 8;

/**
 * Throws UNAVAILABLE for a node that is away, and CONFLICT for one that would not be started again.
 */
export async function restartNode(leader: Leader, nodeId: string): Promise<void> {
  const { catalog, roster } = leader;
  requireNode(catalog.state, nodeId);
  const link = roster.connections.requireClient(nodeId);
  await link.restart({ header: leader.header(nodeId) }, { deadlineMs: RESTART_DEADLINE_MS });
}

/**
 * Throws CONFLICT for a node that still answers (its process would only join again) and, without
 * `force`, for one that may have the only copies of some data, which the message names.
 */
export async function removeDeadNode(
  leader: Leader,
  nodeId: string,
  force: boolean,
): Promise<void> {
  const { catalog, roster } = leader;
  await catalog.update((state) => {
    requireNode(state, nodeId);
    const liveness = roster.get(nodeId)?.liveness;
    if (liveness === 'SERVING' || liveness === 'INITIALIZING') {
      throw new SteleError(
        'CONFLICT',
        `Datanode ${nodeId} is running; drain it (\`stele node drain ${nodeId}\`), stop it, then remove it.`,
      );
    }
    const losses = force ? [] : lossOfRemoval(leader.world, nodeId);
    if (losses.length > 0) throw wouldLose(nodeId, losses);
    return removeNode(state, nodeId);
  });
}

function wouldLose(nodeId: string, losses: readonly Loss[]): SteleError {
  const named = losses.slice(0, LOSSES_NAMED_MAX).map(({ keyspace, shards, version }) => {
    const list = listNames(shards, SHARDS_NAMED_MAX);
    return `shard${shards.length === 1 ? '' : 's'} ${list} of '${keyspace}' version ${version}`;
  });
  const others = losses.length - named.length;
  if (others > 0) named.push(`${others} more version${others === 1 ? '' : 's'}`);
  return new SteleError(
    'CONFLICT',
    `Datanode ${nodeId} may have the only copies of ${named.join('; ')}; start it again and wait until \`stele status\` is green, or give them up with \`stele node remove ${nodeId} --force\`.`,
  );
}
