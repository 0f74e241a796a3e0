// One keyspace, or one datanode, of a listing.

import { SteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type {
  KeyspaceSummary,
  ListKeyspacesResponse,
  ListNodesResponse,
  NodeSummary,
  NoLeader,
} from '../../proto/gen/stele/v1/cluster.ts';

interface MaybeOld {
  readonly noLeader?: NoLeader | undefined;
}

/** Throws KEYSPACE_NOT_FOUND; UNAVAILABLE if no leader can be asked, and the last view lacks it. */
export async function findKeyspace(
  operations: { listKeyspaces(): Promise<ListKeyspacesResponse> },
  name: string,
): Promise<{ keyspace: KeyspaceSummary } & MaybeOld> {
  const { keyspaces, noLeader } = await operations.listKeyspaces();
  const keyspace = keyspaces.find((each) => each.name === name);
  if (keyspace !== undefined) return { keyspace, noLeader };
  const text = `There is no keyspace '${shorten(name)}'`;
  throw notFound(
    'KEYSPACE_NOT_FOUND',
    `${text}; \`stele keyspaces\` lists those there are.`,
    noLeader,
  );
}

/** Throws NODE_NOT_FOUND; UNAVAILABLE if no leader can be asked, and the last view lacks it. */
export async function findNode(
  operations: { listNodes(): Promise<ListNodesResponse> },
  id: string,
): Promise<{ node: NodeSummary } & MaybeOld> {
  const { nodes, noLeader } = await operations.listNodes();
  const node = nodes.find((each) => each.node?.id === id);
  if (node !== undefined) return { node, noLeader };
  throw notFound('NODE_NOT_FOUND', `There is no datanode '${shorten(id)}'.`, noLeader);
}

function notFound(code: ErrorCode, message: string, noLeader: NoLeader | undefined): SteleError {
  return noLeader === undefined
    ? new SteleError(code, message)
    : new SteleError('UNAVAILABLE', noLeader.reason);
}
