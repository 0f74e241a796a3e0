// When the processes of a cluster may be replaced one at a time without a failed read.

import type {
  GetHealthResponse,
  KeyspaceSummary,
  NodeSummary,
} from '../proto/gen/stele/v1/cluster.ts';
import { HealthStatus, NodeState } from '../proto/gen/stele/v1/view.ts';
import { warmingText } from './words.ts';
import { healthWord, nodeStateWord } from '../proto/view-words.ts';

/** `node-1 (initializing 40%)`. */
export function stateText(summary: NodeSummary): string {
  const { node, progress } = summary;
  if (node === undefined) return 'a datanode';
  const isOpening = node.state === NodeState.INITIALIZING;
  const done = isOpening ? ` ${Math.floor(progress * 100)}%` : warmingText(summary);
  return `${node.id} (${nodeStateWord(node.state).toLowerCase()}${done})`;
}

/** The datanodes that serve, and still read what they had into memory. */
function nodesWarming({ nodes }: Pick<GetHealthResponse, 'nodes'>): NodeSummary[] {
  return nodes.filter(({ warming }) => warming !== undefined);
}

/** The datanodes that do not serve: down, drained, or still starting. */
export function nodesAway({ nodes }: Pick<GetHealthResponse, 'nodes'>): NodeSummary[] {
  return nodes.filter(({ node }) => node?.state !== NodeState.SERVING);
}

/** What the cluster lacks to be GREEN with every datanode serving from memory; undefined if nothing. */
export function lackOf(health: GetHealthResponse): string | undefined {
  const away = [...nodesAway(health), ...nodesWarming(health)];
  if (health.status === HealthStatus.GREEN && away.length === 0) return undefined;
  const short = health.shardsUnderReplicated + health.uncovered.length;
  const shards = short === 0 ? '' : `, ${short} of ${health.shardsTotal} shards lack copies`;
  const others = away.length === 0 ? '' : `; ${away.map(stateText).join(', ')}`;
  return `it is ${healthWord(health.status)}${shards}${others}`;
}

/**
 * Why reads fail while any one datanode is away; undefined if there are two copies of everything.
 */
export function singleCopy(
  all: readonly KeyspaceSummary[],
  { nodes, replicationEffective }: Pick<GetHealthResponse, 'nodes' | 'replicationEffective'>,
): string | undefined {
  const keyspaces = all.filter(({ state }) => state !== 'DELETING');
  const single = keyspaces.find(
    ({ currentVersion, replication }) => replication < 2 && currentVersion > 0,
  );
  if (single !== undefined) return `Keyspace '${single.name}' has one copy only`;
  if (replicationEffective > 1 || keyspaces.length === 0) return undefined;
  return `There ${nodes.length === 1 ? 'is one datanode' : 'are too few datanodes for two copies'}`;
}
