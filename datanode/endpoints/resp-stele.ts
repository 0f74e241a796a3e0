// STELE KEYSPACES | VERSION | EXPLAIN key | NODES | HEALTH | HOTKEYS [count] on a datanode: answers
// from the last view and from the segments held. The fields have the same names as on the master,
// which knows more of them.

import { visibleView } from '../../access/visible.ts';
import { STELE_VERSION } from '../../base/process/build-version.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { healthWord, nodeStateWord } from '../../proto/view-words.ts';
import type { CommandArguments } from '../../resp/wire/decoder.ts';
import { writeData } from '../../resp/commands/data-reply.ts';
import { hotKeysWanted } from '../../resp/info/hot-keys-command.ts';
import { hotKeysJson } from '../../proto/content-json.ts';
import { hotKeysHere } from './hot-keys.ts';
import type { ReplyWriter } from '../../resp/wire/encoder.ts';
import type { Session } from '../../resp/commands/session.ts';
import { shardOfSlot, slotRangeOfShard } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { lookupInShard } from '../reads/lookup.ts';
import type { Datanode } from '../node.ts';
import { currentTable, keyspaceNamed, loading } from './resp-dataset.ts';

/** Answers one `stele|...` command. Throws UNINITIALIZED before the first view. */
export function writeSteleReply(
  node: Datanode,
  name: string,
  command: CommandArguments,
  session: Session,
  out: ReplyWriter,
): void {
  const { view } = node.cluster;
  if (view === undefined) throw loading();
  switch (name) {
    case 'stele|keyspaces':
      return writeData(out, keyspaces(node, visibleView(session.subject, view)));
    case 'stele|nodes':
      return writeData(out, nodes(view));
    case 'stele|health':
      return writeData(out, health(view));
    case 'stele|explain':
      return writeData(out, explain(node, view, command, session.keyspace.name));
    case 'stele|hotkeys':
      return writeData(out, hotKeys(node, command, session.keyspace.name));
    default:
      return writeData(out, version(node, view, session.keyspace.name));
  }
}

function keyspaces(node: Datanode, view: ClusterView): unknown {
  return view.keyspaces.map((keyspace) => ({
    name: keyspace.name,
    uid: keyspace.uid,
    index: keyspace.index,
    current_version: keyspace.currentVersion,
    versions: keyspace.versions,
    records: keyspace.records,
    records_here: node.tables.get(keyspace.uid, keyspace.currentVersion)?.records ?? 0,
  }));
}

function nodes(view: ClusterView): unknown {
  return view.nodes.map(({ id, incarnation, address, zone, state }) => ({
    id,
    state: nodeStateWord(state),
    incarnation,
    address: {
      host: address?.host ?? '',
      http_port: address?.httpPort ?? 0,
      resp_port: address?.respPort ?? 0,
      grpc_port: address?.grpcPort ?? 0,
    },
    zone,
  }));
}

function health(view: ClusterView): unknown {
  const uncovered = view.routes.flatMap((route, shard) => {
    if (route.nodes.length > 0) return [];
    const { first, last } = slotRangeOfShard(shard, view.shardCount);
    return [{ shard, slots: [first, last] }];
  });
  return {
    status: healthWord(view.health),
    ready: view.ready,
    replication: { target: view.replication },
    nodes: nodes(view),
    shards: { total: view.shardCount, uncovered },
    epoch: view.epoch,
  };
}

function explain(
  node: Datanode,
  view: ClusterView,
  command: CommandArguments,
  keyspaceName: string,
): unknown {
  const table = currentTable(node, keyspaceName);
  const start = command.starts[2] ?? 0;
  const end = command.ends[2] ?? 0;
  const slot = slotOfKey(command.buffer, start, end);
  const shard = shardOfSlot(slot, view.shardCount);
  const routed = (view.routes[shard]?.nodes ?? []).flatMap((at) => view.nodes[at]?.id ?? []);
  const status = lookupInShard(table, shard, command.buffer, start, end);
  return {
    keyspace: keyspaceName,
    version: table.version,
    key: command.buffer.toString('utf8', start, end),
    slot,
    shard,
    holders: routed,
    served_by: routed[0] ?? null,
    held_here: status !== LookupStatus.UNAVAILABLE,
    found_here: status === LookupStatus.OK,
  };
}

/** Of this node alone; the master adds up those of all. */
function hotKeys(node: Datanode, command: CommandArguments, keyspaceName: string): unknown {
  const { uid } = keyspaceNamed(node, keyspaceName);
  const limit = hotKeysWanted(command);
  const here = hotKeysHere(node, { expectNode: node.identity.nodeId, keyspaceUid: uid, limit });
  return hotKeysJson(keyspaceName, { ...here, unanswered: [] });
}

function version(node: Datanode, view: ClusterView, keyspaceName: string): unknown {
  const keyspace = keyspaceNamed(node, keyspaceName);
  return {
    stele: STELE_VERSION,
    keyspace: keyspace.name,
    version: keyspace.currentVersion,
    versions: keyspace.versions,
    records: keyspace.records,
    epoch: view.epoch,
  };
}
