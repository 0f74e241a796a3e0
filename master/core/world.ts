// Everything that the pure core looks at, in one immutable value, and the nouns it is made of.

import type { SegmentRecord } from '../catalog/records.ts';
import type { TotalsRecord } from '../catalog/totals.ts';
import type { Holdings, NodeHoldings } from './holdings.ts';
import type { Membership, NodeStatus } from './membership.ts';
import { isMember, isServing } from './membership.ts';

/** One kept version of one keyspace. */
export interface Dataset {
  readonly uid: string;
  readonly name: string;
  readonly version: number;
  /** `<uid>/<version>`, made once because it is looked up per shard and node. */
  readonly ref: string;
  readonly current: boolean;
  /** Replicas wanted; at most as many as there are nodes are asked for. */
  readonly replication: number;
  /** On disk only, or not all in memory again yet: reads of it are refused. */
  readonly suspended: boolean;
  /** By shard, oldest first; an empty list where the version has no records. */
  readonly segmentsByShard: readonly (readonly SegmentRecord[])[];
  /** By id of a delta: what it overwrites of the older segments of its shard. */
  readonly overwritten: ReadonlyMap<string, TotalsRecord>;
  /** Of its manifest; `<ref>#<revision>` is among the manifests of a node that has that one. */
  readonly revision: number;
  /** Ids of segments that were merged away in it. */
  readonly merged: readonly string[];
}

/** A version whose manifest (and files) go from every node. */
export interface Leaving {
  readonly uid: string;
  readonly version: number;
  /** `<uid>/<version>` */
  readonly ref: string;
  /** Of its manifest; segments of other versions may be among them. */
  readonly segmentIds: readonly string[];
}

export interface World {
  readonly nowMs: number;
  readonly shardCount: number;
  /** Of the ring, per unit of a datanode's weight. */
  readonly virtualNodes: number;
  readonly replication: number;
  readonly nodes: Membership;
  /** Ids of nodes whose drain is desired. */
  readonly draining: ReadonlySet<string>;
  readonly holdings: Holdings;
  readonly datasets: readonly Dataset[];
  readonly leaving: readonly Leaving[];
  /** Uids of keyspaces that are being deleted: every segment of theirs goes. */
  readonly deleting: ReadonlySet<string>;
  /** Refs of leaving versions, and uids of deleted keyspaces, that may still be read (departures.ts). */
  readonly lingering: ReadonlySet<string>;
  /**
   * Uids of the keyspaces in the catalog, with since when this master has known them (monotonic); -Infinity where a
   * load has ended without a commit.
   */
  readonly knownSinceMs: ReadonlyMap<string, number>;
  /** Uids of keyspaces into which a load runs. */
  readonly loading: ReadonlySet<string>;
  /** `<uid> <contentName>` of segments that datanodes are merging deltas to. */
  readonly expected: ReadonlySet<string>;
  /** Uids of keyspaces that are on their way back from suspended. */
  readonly resuming: ReadonlySet<string>;
  /** Ids of serving nodes that may answer by a view that has been replaced (view-lag.ts). */
  readonly late: ReadonlySet<string>;
  /** Nodes that the catalog does not know may be about to register. */
  readonly awaitsStrangers: boolean;
  /** Owners by shard, first owner first, `replicationMax(world)` of them. */
  readonly owners: readonly (readonly string[])[];
}

/** What readers ask for: of each keyspace that is not suspended, its current version. */
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

/** The most replicas that anything wants. */
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

/** True when the node has every segment of the shard, verified. */
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

/** True when the node can answer for the shard now: it serves, knows the manifest and has it all. */
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

/** Whether something of the keyspace is on the node's disk only, as its last heartbeat said. */
export function isParked({ report }: NodeStatus, uid: string): boolean {
  return report?.parked?.keyspaceUids.includes(uid) === true;
}

/** Whether what we know of a node's holdings is what its last heartbeat told of. */
export function isInStep(world: World, node: NodeStatus): boolean {
  const holdings = world.holdings.get(node.id);
  return (
    holdings?.incarnation === node.incarnation &&
    node.report !== undefined &&
    holdings.revision >= node.report.holdingsRevision
  );
}

/** `<ref>#<revision>`: one revision of a version's manifest. */
export function revisionRef(ref: string, revision: number): string {
  return `${ref}#${revision}`;
}

/** The beginning of a segment's id, which tells its shard and records (docs/segment-format.md). */
export function contentName(segmentId: string): string {
  return segmentId.slice(0, segmentId.lastIndexOf('-') + 1);
}
