// Pure transitions of the cluster and its nodes.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { NODE_COUNT_MAX } from '../../base/limits.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { clusterOf, countersOf, epochOf, virtualNodesOf } from './queries.ts';
import type { ClusterRecord, NodeRecord } from './records.ts';
import { requireReader } from './segment-format.ts';

/** A catalog from a backup may lack numbers that others have seen. This gap skips them. */
const EPOCH_GAP_AFTER_RESTORE = 1_000;
const VERSION_GAP = 1_000;
const INDEX_GAP = 10;

/** A start of a master. */
export interface MasterStart {
  readonly term: string;
  /** True if its catalog came from a backup. */
  readonly restored?: boolean;
}

/**
 * Starts a master's term: creates the cluster if there is none, and raises the epoch above all
 * before it.
 */
export function startEpoch(
  state: CatalogState,
  fresh: ClusterRecord,
  { restored = false, term }: MasterStart,
): Transition<number> {
  const epoch = epochOf(state) + (restored ? EPOCH_GAP_AFTER_RESTORE : 1);
  const isNew = !state.cluster.has('');
  return {
    changes: [
      ...(isNew ? [{ table: 'cluster', id: '', record: fresh } as const] : []),
      { table: 'epoch', id: '', record: { epoch, term } },
      ...(restored ? skipNumbers(state, 1) : []),
    ],
    result: epoch,
  };
}

/**
 * Sets the virtual nodes per unit of weight. More than one per shard has the same effect as one per
 * shard.
 */
export function setVirtualNodes(state: CatalogState, virtualNodes: number): Transition<void> {
  const { virtualNodes: _before, ...cluster } = clusterOf(state);
  if (Math.min(virtualNodes, cluster.shardCount) === virtualNodesOf(state)) {
    return { changes: [], result: undefined };
  }
  const record = virtualNodes < cluster.shardCount ? { ...cluster, virtualNodes } : cluster;
  return { changes: [{ table: 'cluster', id: '', record }], result: undefined };
}

/**
 * Notes the number of copies that the first of several masters was started with. It counts for all
 * of them: a leader with another flag would drop copies, or make more.
 */
export function keepReplication(state: CatalogState, replication: number): Transition<number> {
  const cluster = clusterOf(state);
  if (cluster.replication !== undefined) return { changes: [], result: cluster.replication };
  const record = { ...cluster, replication };
  return { changes: [{ table: 'cluster', id: '', record }], result: replication };
}

/**
 * Raises the epoch because a datanode has obeyed another master's start in `obeyedEpoch`. This
 * catalog is a copy from before that start, so the numbers issued since are skipped, too. Result:
 * the epoch.
 */
export function raiseEpoch(state: CatalogState, obeyedEpoch: number): Transition<number> {
  const before = epochOf(state);
  if (obeyedEpoch < before) return { changes: [], result: before };
  const epoch = obeyedEpoch + 1;
  return {
    // The gap grows with the epoch, so that a copy that is restored several times uses new numbers
    // each time.
    changes: [
      { table: 'epoch', id: '', record: { ...state.epoch.get(''), epoch } },
      ...skipNumbers(state, epoch - before),
    ],
    result: epoch,
  };
}

/** Skips version and keyspace numbers, and revisions of manifests (revisionOf), by `gaps` gaps. */
function skipNumbers(state: CatalogState, gaps: number): Change[] {
  const { nextIndex, skips } = countersOf(state);
  const counters = { nextIndex: nextIndex + gaps * INDEX_GAP, skips: skips + gaps };
  const changes: Change[] = [{ table: 'counters', id: '', record: counters }];
  for (const keyspace of state.keyspace.values()) {
    const nextVersion = keyspace.nextVersion + gaps * VERSION_GAP;
    changes.push({ table: 'keyspace', id: keyspace.uid, record: { ...keyspace, nextVersion } });
  }
  return changes;
}

/**
 * Records a datanode that joined, came back or moved. Keeps the operator's drain setting. Throws
 * UNKNOWN_FORMAT if it cannot read the cluster's segments, CONFLICT if there are too many
 * datanodes.
 */
export function recordNode(state: CatalogState, node: Omit<NodeRecord, 'drain'>): Transition<void> {
  requireReader(state, node);
  const before = state.node.get(node.id);
  if (before === undefined && state.node.size >= NODE_COUNT_MAX) {
    throw new SteleError(
      'CONFLICT',
      `${NODE_COUNT_MAX} datanodes are registered, which is the limit; remove those that are gone with \`stele node remove\`.`,
    );
  }
  const record: NodeRecord = { ...node, drain: before?.drain ?? false };
  if (before !== undefined && JSON.stringify(before) === JSON.stringify(record)) {
    return { changes: [], result: undefined };
  }
  return { changes: [{ table: 'node', id: node.id, record }], result: undefined };
}

export function setDrain(state: CatalogState, id: string, drain: boolean): Transition<void> {
  const node = requireNode(state, id);
  if (node.drain === drain) return { changes: [], result: undefined };
  return { changes: [{ table: 'node', id, record: { ...node, drain } }], result: undefined };
}

export function removeNode(state: CatalogState, id: string): Transition<void> {
  requireNode(state, id);
  return { changes: [{ table: 'node', id, record: undefined }], result: undefined };
}

/** Throws NODE_NOT_FOUND. */
export function requireNode(state: CatalogState, id: string): NodeRecord {
  const node = state.node.get(id);
  if (node !== undefined) return node;
  throw new SteleError(
    'NODE_NOT_FOUND',
    `There is no datanode '${shorten(id)}'; \`stele nodes\` lists those there are.`,
  );
}
