// Pure transitions of the cluster and its nodes.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { NODE_COUNT_MAX } from '../../base/limits.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { clusterOf, countersOf, epochOf, virtualNodesOf } from './queries.ts';
import type { ClusterRecord, NodeRecord } from './records.ts';

/** A catalog from a backup may have missed numbers that others have seen; these step over them. */
const EPOCH_GAP_AFTER_RESTORE = 1_000;
const VERSION_GAP = 1_000;
const INDEX_GAP = 10;

/** The start of a master. */
export interface MasterStart {
  readonly term: string;
  /** Its catalog came from a backup. */
  readonly restored?: boolean;
}

/** A master starts: the cluster exists afterwards, and its epoch is higher than any before. */
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

/** The ring has so many virtual nodes per unit of weight; more than one for each shard are that. */
export function setVirtualNodes(state: CatalogState, virtualNodes: number): Transition<void> {
  const { virtualNodes: _before, ...cluster } = clusterOf(state);
  if (Math.min(virtualNodes, cluster.shardCount) === virtualNodesOf(state)) {
    return { changes: [], result: undefined };
  }
  const record = virtualNodes < cluster.shardCount ? { ...cluster, virtualNodes } : cluster;
  return { changes: [{ table: 'cluster', id: '', record }], result: undefined };
}

/**
 * A datanode has obeyed another master's start in epoch `told`: this catalog takes a higher one. It is a copy
 * from before that start, so that numbers which were given since are stepped over too. Result: the epoch.
 */
export function raiseEpoch(state: CatalogState, told: number): Transition<number> {
  const before = epochOf(state);
  if (told < before) return { changes: [], result: before };
  const epoch = told + 1;
  return {
    // As many gaps as epochs: one copy that is put back again and again goes on with other numbers each time.
    changes: [
      { table: 'epoch', id: '', record: { ...state.epoch.get(''), epoch } },
      ...skipNumbers(state, epoch - before),
    ],
    result: epoch,
  };
}

/** Numbers of versions and keyspaces, and revisions of manifests (revisionOf), go on after a gap. */
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

/** A datanode joined, came back, or moved. What an operator wished of it (drain) stays. */
export function recordNode(state: CatalogState, node: Omit<NodeRecord, 'drain'>): Transition<void> {
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
