// Pure transitions of the cluster and its nodes.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { CatalogState, Transition } from './catalog.ts';
import { epochOf } from './queries.ts';
import type { ClusterRecord, NodeRecord } from './records.ts';

/** A catalog from a backup may have missed epochs that datanodes have seen; this steps over them. */
const EPOCH_GAP_AFTER_RESTORE = 1_000;

/** A master starts: the cluster exists afterwards, and its epoch is higher than any before. */
export function startEpoch(
  state: CatalogState,
  fresh: ClusterRecord,
  restored = false,
): Transition<number> {
  const epoch = epochOf(state) + (restored ? EPOCH_GAP_AFTER_RESTORE : 1);
  const isNew = !state.cluster.has('');
  return {
    changes: [
      ...(isNew ? [{ table: 'cluster', id: '', record: fresh } as const] : []),
      { table: 'epoch', id: '', record: { epoch } },
    ],
    result: epoch,
  };
}

/** A datanode joined, came back, or moved. What an operator wished of it (drain) stays. */
export function recordNode(state: CatalogState, node: Omit<NodeRecord, 'drain'>): Transition<void> {
  const before = state.node.get(node.id);
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
