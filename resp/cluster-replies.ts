// CLUSTER SLOTS, SHARDS, NODES and INFO from one plain description.
//
// In Redis a node is primary or replica as a whole. In Stele it is so per range: every shard has its
// own order of owners, and the first one counts as primary. What that becomes:
//
//   SLOTS   exact: every range with its primary and its replicas. ioredis, node-redis, redis-py use this.
//           Some of them keep the part in which they saw a node first, and then scan and count
//           only the nodes that they hold for primaries. So every primary is introduced as one: a slot
//           of it is split off and put in front (the very first of them without its replicas).
//           redis-py takes turns among the nodes of a slot with one counter a primary, and reads beyond
//           the end where another slot of that primary has fewer. So all slots of a primary list as
//           many nodes; where there are fewer, the first ones stand there again.
//   SHARDS  exact too: one "shard" per set of ranges with the same owners in the same order; a
//           node may stand in several, once as master and elsewhere as replica.
//   NODES   cannot say it: a node that is primary of some slots is a master with exactly those; one
//           that is primary of none is shown as replica of the node it backs for most slots (a master
//           without slots if it holds nothing). `redis-cli --cluster check` then counts 16384 covered.

import { SLOT_COUNT } from '../base/limits.ts';
import type { ReplyWriter } from './encoder.ts';

const CLUSTER_BUS_PORT_OFFSET = 10_000;

export interface ClusterNode {
  /** 40 hex digits, always the same for one datanode. */
  readonly id: string;
  /** What a client connects to. */
  readonly host: string;
  readonly port: number;
  readonly state: 'online' | 'loading' | 'failed';
}

/** Slots `start` .. `end` inclusive and who serves them; the first owner is the primary. */
interface ClusterSlotRange {
  readonly start: number;
  readonly end: number;
  /** Indexes into `nodes`; empty where the range is uncovered. */
  readonly owners: readonly number[];
}

export interface ClusterDescription {
  readonly nodes: readonly ClusterNode[];
  /** Ascending, without overlap. Neighbours with the same owners are joined here. */
  readonly ranges: readonly ClusterSlotRange[];
  readonly epoch: number;
  /** The node that answers; undefined if it is not one of `nodes`. */
  readonly selfId?: string;
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

/** The same ranges, with owners named again until all of a primary have as many. */
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

/** The same slots in ranges such that no node that is a primary appears as a replica before. */
function primariesFirst(ranges: readonly ClusterSlotRange[]): ClusterSlotRange[] {
  const primaries = new Set(ranges.map((range) => range.owners[0]));
  const replicas = ranges.flatMap((range) => range.owners.slice(1));
  if (!replicas.some((owner) => primaries.has(owner))) return [...ranges];
  const introductions = new Map<ClusterSlotRange, ClusterSlotRange>();
  for (const waiting = new Set(primaries); waiting.size > 0;) {
    const range = nextIntroduction(ranges, waiting);
    const [primary = 0, ...others] = range.owners;
    const owners = others.some((owner) => waiting.has(owner)) ? [primary] : range.owners;
    introductions.set(range, { start: range.start, end: range.start, owners });
    waiting.delete(primary);
  }
  const rest = ranges.map((range) =>
    introductions.has(range) ? { ...range, start: range.start + 1 } : range,
  );
  return [...introductions.values(), ...rest.filter(({ start, end }) => start <= end)];
}

/** A range of one of the waiting primaries, if possible one without replicas that wait as well. */
function nextIntroduction(
  ranges: readonly ClusterSlotRange[],
  waiting: ReadonlySet<number | undefined>,
): ClusterSlotRange {
  const candidates = ranges.filter((range) => waiting.has(range.owners[0]));
  const whole = candidates.find(({ owners }) => !owners.slice(1).some((one) => waiting.has(one)));
  const chosen = whole ?? candidates[0];
  if (chosen === undefined) throw new RangeError('A primary has no range.');
  return chosen;
}

/** CLUSTER SHARDS: ranges with the same owners, and those owners. */
export function writeClusterShards(cluster: ClusterDescription, out: ReplyWriter): void {
  const groups = new Map<string, ClusterSlotRange[]>();
  for (const range of coveredRanges(cluster)) {
    const key = range.owners.join(',');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [range]);
    else group.push(range);
  }
  out.array(groups.size);
  for (const ranges of groups.values()) {
    out.map(2);
    out.bulkText('slots');
    out.array(ranges.length * 2);
    for (const range of ranges) {
      out.integer(range.start);
      out.integer(range.end);
    }
    out.bulkText('nodes');
    const owners = ranges[0]?.owners ?? [];
    out.array(owners.length);
    for (const [rank, owner] of owners.entries()) {
      writeShardNode(nodeAt(cluster, owner), rank === 0 ? 'master' : 'replica', out);
    }
  }
}

function writeShardNode(node: ClusterNode, role: string, out: ReplyWriter): void {
  const fields = [
    ['id', node.id],
    ['port', node.port],
    ['ip', node.host],
    ['endpoint', node.host],
    ['role', role],
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

/** CLUSTER NODES: a line per node (see the head comment). */
export function clusterNodesText(cluster: ClusterDescription): string {
  const ranges = coveredRanges(cluster);
  const primaries = new Set(ranges.map((range) => range.owners[0]));
  const lines = cluster.nodes.map((node, index) => {
    const master = primaries.has(index) ? undefined : mostBacked(ranges, index);
    const failed = node.state === 'failed';
    const flags = [
      ...(node.id === cluster.selfId ? ['myself'] : []),
      master === undefined ? 'master' : 'slave',
      ...(failed ? ['fail'] : []),
    ].join(',');
    const own = ranges.filter((range) => range.owners[0] === index);
    return [
      node.id,
      `${node.host}:${node.port}@${node.port + CLUSTER_BUS_PORT_OFFSET}`,
      flags,
      master === undefined ? '-' : nodeAt(cluster, master).id,
      '0',
      '0',
      String(cluster.epoch),
      failed ? 'disconnected' : 'connected',
      ...own.map(({ start, end }) => (start === end ? String(start) : `${start}-${end}`)),
    ].join(' ');
  });
  return lines.map((line) => `${line}\n`).join('');
}

/** The primary of most of the slots that node `index` backs. */
function mostBacked(ranges: readonly ClusterSlotRange[], index: number): number | undefined {
  const slotsByPrimary = new Map<number, number>();
  for (const { start, end, owners } of ranges) {
    const primary = owners[0];
    if (primary === undefined || !owners.includes(index)) continue;
    slotsByPrimary.set(primary, (slotsByPrimary.get(primary) ?? 0) + end - start + 1);
  }
  let best: number | undefined;
  for (const [primary, slots] of slotsByPrimary) {
    if (best === undefined || slots > (slotsByPrimary.get(best) ?? 0)) best = primary;
  }
  return best;
}

/**
 * CLUSTER INFO: `cluster_state:ok` when every slot has somebody to ask, and the cluster does not say of
 * itself that data cannot be read (`isRed`): nodes that may be dead are asked, but not counted on.
 */
export function clusterInfoText(cluster: ClusterDescription, isRed: boolean): string {
  const ranges = coveredRanges(cluster);
  const covered = slotsIn(ranges);
  const doubtful = slotsIn(
    ranges.filter(({ owners }) => owners.every((at) => nodeAt(cluster, at).state === 'failed')),
  );
  const primaries = new Set(ranges.map((range) => range.owners[0]));
  const fields = {
    cluster_enabled: 1,
    cluster_state: covered === SLOT_COUNT && !isRed ? 'ok' : 'fail',
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

/** Ranges that have an owner, neighbours with equal owners joined. */
function coveredRanges(cluster: ClusterDescription): ClusterSlotRange[] {
  const joined: ClusterSlotRange[] = [];
  for (const range of cluster.ranges) {
    if (range.owners.length === 0) continue;
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
