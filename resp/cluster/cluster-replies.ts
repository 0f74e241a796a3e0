// CLUSTER SLOTS, SHARDS, NODES and INFO from one plain description.
//
// In Redis a node is a primary or a replica as a whole. In Stele it is so per range: every shard
// has its own order of owners, and the first owner counts as its primary. The replies map this as
// follows:
//
//   SLOTS   Exact: every range with its primary and its replicas. ioredis, node-redis and redis-py use it.
//           Some clients keep the role in which they saw a node first, and then scan and count only the
//           nodes that they believe to be primaries; others (GLIDE) assume that all ranges of a primary have
//           the replicas of its first range. So every primary is first listed alone, without replicas, for
//           which one of its slots is split off.
//           redis-py rotates among the nodes of a slot with one counter per primary, and reads past the end
//           if another slot of that primary has fewer nodes. So all slots of a primary list the same number
//           of nodes; where there are fewer, the first ones are repeated.
//   SHARDS  and
//   NODES   list every datanode as a master, with exactly the slots of which it is the first owner, and none
//           as a replica. Clients of these commands assign a role to the whole node: one that reads from
//           replicas would scan and count one replica per primary, which has other shards than the primary.

import { SLOT_COUNT } from '../../base/limits.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

const CLUSTER_BUS_PORT_OFFSET = 10_000;

interface ClusterSelf {
  /** 40 hex digits, always the same for one datanode. */
  readonly id: string;
  /** The address that clients connect to. */
  readonly host: string;
  readonly port: number;
}

export interface ClusterNode extends ClusterSelf {
  readonly state: 'online' | 'loading' | 'failed';
}

/**
 * Slots `start` .. `end` inclusive and the nodes that serve them; the first owner is the primary.
 */
interface ClusterSlotRange {
  readonly start: number;
  readonly end: number;
  /** Indexes into `nodes`; empty if the range is uncovered. */
  readonly owners: readonly number[];
}

export interface ClusterDescription {
  readonly nodes: readonly ClusterNode[];
  /** Ascending, without overlap. Adjacent ranges with the same owners are joined. */
  readonly ranges: readonly ClusterSlotRange[];
  readonly epoch: number;
  /** The cluster's health is RED: some data cannot be read. */
  readonly isRed: boolean;
  /** Whether the client is connected with TLS; then all ports are those of TLS. */
  readonly isTls: boolean;
  /** Whether the answering process is a node of the cluster; false for the master. */
  readonly isNode: boolean;
  /** The answering process. */
  readonly self: ClusterSelf;
}

/** CLUSTER SLOTS: `[start, end, [host, port, id, []], ...]` for every covered range. */
export function writeClusterSlots(cluster: ClusterDescription, out: ReplyWriter): void {
  const ranges = equallyLong(primariesFirst(coveredRanges(cluster)));
  out.array(ranges.length);
  for (const range of ranges) {
    out.array(2 + range.owners.length);
    out.integer(range.start);
    out.integer(range.end);
    for (const owner of range.owners) {
      const node = nodeAt(cluster, owner);
      out.array(4);
      out.bulkText(node.host);
      out.integer(node.port);
      out.bulkText(node.id);
      out.array(0);
    }
  }
}

/** The same ranges, with owners repeated until all ranges of a primary have the same number. */
function equallyLong(ranges: readonly ClusterSlotRange[]): ClusterSlotRange[] {
  const counts = new Map<number | undefined, number>();
  for (const { owners } of ranges) {
    counts.set(owners[0], Math.max(counts.get(owners[0]) ?? 0, owners.length));
  }
  return ranges.map((range) => {
    const { owners } = range;
    const length = counts.get(owners[0]) ?? 0;
    if (owners.length === length) return range;
    return { ...range, owners: Array.from({ length }, (_, at) => owners[at % owners.length] ?? 0) };
  });
}

/** The same slots, in ranges such that every primary is first listed alone. */
function primariesFirst(ranges: readonly ClusterSlotRange[]): ClusterSlotRange[] {
  const primaries = new Set(ranges.map((range) => range.owners[0]));
  const replicas = ranges.flatMap((range) => range.owners.slice(1));
  if (!replicas.some((owner) => primaries.has(owner))) return [...ranges];
  const introductions: ClusterSlotRange[] = [];
  const rest = ranges.flatMap((range) => {
    const [primary] = range.owners;
    if (primary === undefined || !primaries.delete(primary)) return [range];
    introductions.push({ start: range.start, end: range.start, owners: [primary] });
    return range.start < range.end ? [{ ...range, start: range.start + 1 }] : [];
  });
  return [...introductions, ...rest];
}

/** CLUSTER SHARDS: every datanode that is a primary, with its slots. */
export function writeClusterShards(cluster: ClusterDescription, out: ReplyWriter): void {
  const rangesOf = rangesByPrimary(cluster);
  out.array(rangesOf.size);
  for (const [index, ranges] of rangesOf) {
    out.map(2);
    out.bulkText('slots');
    out.array(ranges.length * 2);
    for (const range of ranges) {
      out.integer(range.start);
      out.integer(range.end);
    }
    out.bulkText('nodes');
    out.array(1);
    writeShardNode(nodeAt(cluster, index), cluster.isTls, out);
  }
}

function writeShardNode(node: ClusterNode, isTls: boolean, out: ReplyWriter): void {
  const fields = [
    ['id', node.id],
    [isTls ? 'tls-port' : 'port', node.port],
    ['ip', node.host],
    ['endpoint', node.host],
    ['role', 'master'],
    ['replication-offset', 0],
    ['health', node.state === 'failed' ? 'fail' : node.state],
  ] as const;
  out.map(fields.length);
  for (const [name, value] of fields) {
    out.bulkText(name);
    if (typeof value === 'number') out.integer(value);
    else out.bulkText(value);
  }
}

/**
 * CLUSTER NODES: a line per node (see the head comment), and one of the answering process in any
 * case.
 */
export function clusterNodesText(cluster: ClusterDescription): string {
  const rangesOf = rangesByPrimary(cluster);
  const lines = cluster.nodes.map((node, index) => {
    const failed = node.state === 'failed';
    const flags = `${node.id === cluster.self.id ? 'myself,' : ''}master${failed ? ',fail' : ''}`;
    const link = failed ? 'disconnected' : 'connected';
    const slots = (rangesOf.get(index) ?? []).map(({ start, end }) =>
      start === end ? ` ${start}` : ` ${start}-${end}`,
    );
    return `${nodeAddress(node)} ${flags} - 0 0 ${cluster.epoch} ${link}${slots.join('')}\n`;
  });
  return `${lines.join('')}${lineOfOutsider(cluster)}`;
}

/**
 * The line of an answering process that is not a node. Clients require a line with the flag
 * `myself`. As a replica without an address it is left out of reads, scans and counts.
 */
function lineOfOutsider({ nodes, self, epoch }: ClusterDescription): string {
  if (nodes.some(({ id }) => id === self.id)) return '';
  const flags = nodes.length > 0 ? 'myself,slave,noaddr' : 'myself,master';
  return `${nodeAddress(self)} ${flags} ${nodes[0]?.id ?? '-'} 0 0 ${epoch} connected\n`;
}

function nodeAddress({ id, host, port }: ClusterSelf): string {
  return `${id} ${host}:${port}@${port + CLUSTER_BUS_PORT_OFFSET}`;
}

/** The ranges of which each node is the first owner, by the index of the node. */
function rangesByPrimary(cluster: ClusterDescription): Map<number, ClusterSlotRange[]> {
  const grouped = new Map<number, ClusterSlotRange[]>();
  for (const range of coveredRanges(cluster, ({ owners }) => owners.slice(0, 1))) {
    const [primary = -1] = range.owners;
    const ranges = grouped.get(primary);
    if (ranges === undefined) grouped.set(primary, [range]);
    else ranges.push(range);
  }
  return grouped;
}

/**
 * CLUSTER INFO. `cluster_state:ok` means that every slot has a node to ask, and that the cluster is
 * not RED (`isRed`). Nodes that may be dead are asked, but do not count as serving.
 */
export function clusterInfoText(cluster: ClusterDescription): string {
  const ranges = coveredRanges(cluster);
  const covered = slotsIn(ranges);
  const doubtful = slotsIn(
    ranges.filter(({ owners }) => owners.every((at) => nodeAt(cluster, at).state === 'failed')),
  );
  const primaries = new Set(ranges.map((range) => range.owners[0]));
  const isOk = covered === SLOT_COUNT && !cluster.isRed;
  const fields = {
    cluster_enabled: cluster.isNode ? 1 : 0,
    // Clients and consoles assume that a server with the state ok is a node, and go on to the
    // others.
    ...(cluster.isNode ? { cluster_state: isOk ? 'ok' : 'fail' } : {}),
    cluster_slots_assigned: covered,
    cluster_slots_ok: covered - doubtful,
    cluster_slots_pfail: doubtful,
    cluster_slots_fail: 0,
    cluster_known_nodes: cluster.nodes.length,
    cluster_size: primaries.size,
    cluster_current_epoch: cluster.epoch,
    cluster_my_epoch: cluster.epoch,
    cluster_stats_messages_sent: 0,
    cluster_stats_messages_received: 0,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('');
}

function slotsIn(ranges: readonly ClusterSlotRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
}

/**
 * Ranges that have an owner, with adjacent ranges of equal owners joined. `ownersOf` may leave some
 * owners out.
 */
function coveredRanges(
  cluster: ClusterDescription,
  ownersOf = (range: ClusterSlotRange): readonly number[] => range.owners,
): ClusterSlotRange[] {
  const joined: ClusterSlotRange[] = [];
  for (const each of cluster.ranges) {
    if (each.owners.length === 0) continue;
    const range = { ...each, owners: ownersOf(each) };
    const last = joined.at(-1);
    const extendsLast =
      last !== undefined &&
      last.end + 1 === range.start &&
      last.owners.join(',') === range.owners.join(',');
    if (extendsLast) joined[joined.length - 1] = { ...last, end: range.end };
    else joined.push(range);
  }
  return joined;
}

function nodeAt(cluster: ClusterDescription, index: number): ClusterNode {
  const node = cluster.nodes[index];
  if (node === undefined) throw new RangeError(`No node ${index} in the cluster description.`);
  return node;
}
