// The dataset that a RESP session reads: its keyspace, and the table of a version of it. If it
// cannot be read, the error says why.

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError, suspendedError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { KeyspaceView } from '../../proto/gen/stele/v1/view.ts';
import type { Datanode } from '../node.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/**
 * The table of a keyspace's current version. Throws UNINITIALIZED, KEYSPACE_NOT_FOUND, SUSPENDED,
 * UNAVAILABLE.
 */
export function currentTable(node: Datanode, keyspaceName: string): VersionTable {
  const keyspace = node.cluster.keyspaceNamed(keyspaceName);
  if (keyspace === undefined) throw noKeyspace(node, keyspaceName);
  if (keyspace.suspended === true) throw suspendedError(keyspace.name);
  const table = node.tables.get(keyspace.uid, keyspace.currentVersion);
  if (table !== undefined) return table;
  throw notHere(node, keyspace, keyspace.currentVersion);
}

/** Throws UNINITIALIZED, KEYSPACE_NOT_FOUND. */
export function keyspaceNamed(node: Datanode, keyspaceName: string): KeyspaceView {
  const keyspace = node.cluster.keyspaceNamed(keyspaceName);
  if (keyspace === undefined) throw noKeyspace(node, keyspaceName);
  return keyspace;
}

/** The table of one of a keyspace's versions. Throws UNINITIALIZED, SUSPENDED, UNAVAILABLE. */
export function tableOfVersion(
  node: Datanode,
  keyspace: KeyspaceView,
  version: number,
): VersionTable {
  if (keyspace.suspended === true) throw suspendedError(keyspace.name);
  const table = node.tables.get(keyspace.uid, version);
  if (table === undefined) throw notHere(node, keyspace, version);
  return table;
}

/**
 * The shards for which CLUSTER SLOTS lists this node first. Over all nodes, each shard occurs once.
 */
export function primaryShards(node: Datanode): number[] {
  const { view } = node.cluster;
  if (view === undefined) throw loading();
  const self = view.nodes.findIndex(({ id }) => id === node.identity.nodeId);
  return view.routes.flatMap((route, shard) => (route.nodes[0] === self ? [shard] : []));
}

function notHere(node: Datanode, keyspace: KeyspaceView, version: number): SteleError {
  const refusal = node.contact.refusal(monotonicNowMs());
  if (refusal !== undefined) return refusal;
  if (version === 0) {
    return new SteleError('UNAVAILABLE', `Nothing has been loaded into '${keyspace.name}' yet.`);
  }
  if (node.state !== NodeState.SERVING) return loading();
  return new SteleError('UNAVAILABLE', `Version ${version} is on its way here.`);
}

/** The error for a keyspace that the view does not name; "not found" only if that is certain. */
export function noKeyspace({ cluster, contact }: Datanode, name: string): SteleError {
  const { view } = cluster;
  if (view === undefined) return loading();
  const unsure = contact.unsure(monotonicNowMs());
  if (unsure !== undefined) {
    return new SteleError(
      'UNAVAILABLE',
      `This datanode knows no keyspace '${shorten(name)}', but ${unsure}: ask another one.`,
    );
  }
  return new SteleError(
    'KEYSPACE_NOT_FOUND',
    `There is no keyspace '${shorten(name)}'; \`stele keyspaces\` lists those there are.`,
  );
}

export function loading(): SteleError {
  return new SteleError('UNINITIALIZED', 'Stele is loading the dataset in memory');
}
