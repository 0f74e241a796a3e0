// Everything that the pure core depends on, as one immutable value, and its types.

import type { KeyspaceUid } from '../../../base/ids.ts';
import type { SegmentContent, SegmentId } from '../../../base/segment-name.ts';
import type { SegmentRecord, VersionId } from '../../catalog/records.ts';
import type { TotalsRecord } from '../../catalog/totals.ts';
import type { HoldingsByNode, NodeHoldings } from './holdings.ts';
import type { Membership, NodeStatus } from './membership.ts';
import { isMember, isServing } from './membership.ts';

/** One kept version of one keyspace. */
export interface Dataset {
  readonly uid: KeyspaceUid;
  readonly name: string;
  readonly version: number;
  /** Made once, because it is looked up per shard and node. */
  readonly ref: VersionId;
  readonly current: boolean;
  /** Number of replicas wanted. The number of nodes caps it. */
  readonly replication: number;
  /** True if reads are refused: its data is on disk only, or not completely in memory again. */
  readonly suspended: boolean;
  /** By shard, oldest first; an empty list for a shard without records. */
  readonly segmentsByShard: readonly (readonly SegmentRecord[])[];
  /** By delta id: the totals of the older records of its shard that it overwrites. */
  readonly overwritten: ReadonlyMap<string, TotalsRecord>;
  /** Revision of its manifest; rises when deltas are merged in it. */
  readonly revision: number;
  /** Ids of segments that were merged away in it. */
  readonly merged: readonly SegmentId[];
}

/** A version whose manifest (and files) are to be removed from every node. */
export interface Leaving {
  readonly uid: KeyspaceUid;
  readonly version: number;
  readonly ref: VersionId;
  /** The segments of its manifest; other versions may share some. */
  readonly segmentIds: readonly SegmentId[];
}

/** A leaving version, or a keyspace that is being deleted. */
export type LeavingName = VersionId | KeyspaceUid;

export interface World {
  readonly nowMs: number;
  readonly shardCount: number;
  /** Virtual nodes of the ring per unit of a datanode's weight. */
  readonly virtualNodes: number;
  readonly replication: number;
  readonly nodes: Membership;
  /** Ids of nodes whose drain is desired. */
  readonly draining: ReadonlySet<string>;
  readonly holdings: HoldingsByNode;
  readonly datasets: readonly Dataset[];
  readonly leaving: readonly Leaving[];
  /** Uids of keyspaces that are being deleted, with all their segments. */
  readonly deleting: ReadonlySet<KeyspaceUid>;
  /** Leaving versions, and uids of deleted keyspaces, that may still be read (departures.ts). */
  readonly stillReadable: ReadonlySet<LeavingName>;
  /**
   * By uid of each keyspace in the catalog: since when this master has known it (monotonic);
   * -Infinity if a load has ended without a commit.
   */
  readonly knownSinceMs: ReadonlyMap<KeyspaceUid, number>;
  /** Uids of keyspaces into which a load runs. */
  readonly loading: ReadonlySet<KeyspaceUid>;
  /** Versions of which every segment is in the deep store. */
  readonly archived: ReadonlySet<VersionId>;
  /** By uid: the contents of segments that datanodes are merging deltas to. */
  readonly expected: ReadonlyMap<KeyspaceUid, ReadonlySet<SegmentContent>>;
  /** Uids of keyspaces that are being resumed. */
  readonly resuming: ReadonlySet<KeyspaceUid>;
  /** Ids of serving nodes that may still use a replaced view (view-lag.ts). */
  readonly late: ReadonlySet<string>;
  /** True if nodes that the catalog does not know may be about to register. */
  readonly awaitsUnknownNodes: boolean;
  /** Owners by shard, first owner first, `replicationMax(world)` of them. */
  readonly owners: readonly (readonly string[])[];
}

/** The current version of each keyspace that is not suspended. */
export function currentDatasets(world: World): Dataset[] {
  return world.datasets.filter((dataset) => dataset.current && !dataset.suspended);
}

/** Nodes that the ring may put replicas on. */
export function eligibleNodes(
  world: Pick<World, 'nodes' | 'draining' | 'nowMs'>,
): readonly NodeStatus[] {
  return [...world.nodes.values()].filter(
    (node) => isMember(node, world.nowMs) && !world.draining.has(node.id),
  );
}

/** The highest replication of any dataset. */
export function replicationMax(world: Pick<World, 'replication' | 'datasets'>): number {
  return world.datasets.reduce(
    (most, { replication }) => Math.max(most, replication),
    world.replication,
  );
}

/** The nodes that should hold `dataset`'s part of `shard`. */
export function ownersOf(world: World, dataset: Dataset, shard: number): readonly string[] {
  return (world.owners[shard] ?? []).slice(0, dataset.replication);
}

/** Whether the node has every segment of the shard, verified. */
export function holdsShard(
  holdings: NodeHoldings | undefined,
  dataset: Dataset,
  shard: number,
): boolean {
  if (holdings === undefined) return false;
  const segments = dataset.segmentsByShard[shard];
  if (segments === undefined || segments.length === 0) return true;
  const ids = holdings.segments.get(dataset.uid);
  return ids !== undefined && segments.every((segment) => ids.has(segment.id));
}

/** Whether the node can answer for the shard now: it serves, has the manifest and all segments. */
export function servesShard(
  world: World,
  node: NodeStatus,
  dataset: Dataset,
  shard: number,
): boolean {
  if (!isServing(node)) return false;
  const holdings = world.holdings.get(node.id);
  if (holdings?.incarnation !== node.incarnation || isParked(node, dataset.uid)) return false;
  return holdings.manifests.has(dataset.ref) && holdsShard(holdings, dataset, shard);
}

/**
 * Whether some data of the keyspace is only on the node's disk, according to its last heartbeat.
 */
export function isParked({ report }: NodeStatus, uid: KeyspaceUid): boolean {
  return report?.parked?.keyspaceUids.includes(uid) === true;
}

/** Whether the known holdings of a node are those of its last heartbeat. */
export function isInStep(world: World, node: NodeStatus): boolean {
  const holdings = world.holdings.get(node.id);
  return (
    holdings?.incarnation === node.incarnation &&
    node.report !== undefined &&
    holdings.revision >= node.report.holdingsRevision
  );
}
