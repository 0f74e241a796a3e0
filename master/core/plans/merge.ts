// Plans which shards' deltas to merge, on which nodes, and when the result may replace them. Pure.
//
//   a shard of a current version has more than DELTAS_MAX deltas
//        -> every serving node that has them all is asked to merge them, repeatedly: the answer reports
//           its progress (datanode/maintenance/merger.ts). Replicas arrive at the same segment independently
//        -> if a node cannot, and another one has the result, it is ordered to copy that
//        -> once all owners, and all others that were asked, hold the result, it may be put into the
//           manifest. An owner that is away is waited for until the ring has another one
//
// A merge is identified by its segments, not by its version: an append in between adds deltas after
// them, and the result fits there as well. After a restart of the master all merges are found again
// by asking; also on a catalog that was restored from before the merge, whose segments are gone:
// the name of a result identifies its content.
//
// Invariants: only segments of current versions are merged; a result counts only if it holds
// exactly the combined content of its segments (counts and digest); at most one merge per shard at
// a time.

import type { KeyspaceUid } from '../../../base/ids.ts';
import { DELTAS_MAX } from '../../../base/limits.ts';
import { contentOfSegment, segmentContent } from '../../../base/segment-name.ts';
import type { SegmentContent, SegmentId } from '../../../base/segment-name.ts';
import type { SegmentRecord } from '../../catalog/records.ts';
import { chainTotals, isSameTotals } from '../../catalog/totals.ts';
import type { TotalsRecord } from '../../catalog/totals.ts';
import type { NodeStatus } from '../world/membership.ts';
import type { Copy } from './repair.ts';
import { shardIndexOf } from '../serving/shard-index.ts';
import { ownersOf } from '../world/world.ts';
import type { Dataset, World } from '../world/world.ts';

const POLL_MS = 1_000;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 60_000;
/** Number of failures after which a node copies the result from another one, if available. */
const FAILURES_BEFORE_COPY = 2;
/** Maximum number of orders in one message. */
const ORDERS_PER_NODE_MAX = 64;

/** The merge of one shard's deltas into one segment. */
export interface Merge {
  readonly uid: KeyspaceUid;
  readonly shard: number;
  /** Oldest first. */
  readonly ids: readonly SegmentId[];
  readonly totals: TotalsRecord;
  /** The result, once some node has it. */
  readonly segment: SegmentRecord | undefined;
  readonly nodes: ReadonlyMap<string, NodeMerge>;
}

interface NodeMerge {
  readonly failures: number;
  readonly nextMs: number;
}

/** Keyed by `<uid> <shard>`. */
export type Merges = ReadonlyMap<string, Merge>;

export interface MergePlan {
  readonly merges: Merges;
  /** The merges to ask each node about, most overdue first. */
  readonly asks: ReadonlyMap<string, readonly Merge[]>;
  readonly copies: readonly Copy[];
  readonly ready: readonly (Merge & { readonly segment: SegmentRecord })[];
}

export function planMerges(world: World, before: Merges): MergePlan {
  const merges = new Map<string, Merge>();
  const due: Due[] = [];
  const copies: Copy[] = [];
  const ready: MergePlan['ready'][number][] = [];
  const contents = contentsMemo(world);
  for (const { dataset, merge } of wantedMerges(world, before)) {
    merges.set(nameOf(merge), merge);
    const { segment } = merge;
    const able = ableNodes(world, merge, contents);
    const lacking = able.filter((node) => !hasResult(world, node, merge));
    if (segment !== undefined && lacking.length === 0 && isSafe(world, dataset, merge, able)) {
      ready.push({ ...merge, segment });
    }
    for (const { id: nodeId } of lacking) {
      const { failures, nextMs } = merge.nodes.get(nodeId) ?? NOT_ASKED;
      if (nextMs > world.nowMs) continue;
      const copy = failures >= FAILURES_BEFORE_COPY ? copyOf(world, merge, nodeId) : undefined;
      if (copy !== undefined) copies.push(copy);
      due.push({ nodeId, merge, atMs: nextMs });
    }
  }
  return { merges, asks: byNode(due), copies, ready };
}

interface Due {
  readonly nodeId: string;
  readonly merge: Merge;
  readonly atMs: number;
}

/** Serving nodes that can produce or have the result: they hold the segments, or it. */
function ableNodes(world: World, merge: Merge, contents: ContentsOf): NodeStatus[] {
  const { ids, uid } = merge;
  return servingNodes(world).filter(
    (node) => hasAll(world, node, uid, ids) || contents(node, uid).has(resultOf(merge)),
  );
}

function hasResult(world: World, node: NodeStatus, { segment, uid }: Merge): boolean {
  return segment !== undefined && hasAll(world, node, uid, [segment.id]);
}

/**
 * Whether all owners are among the able nodes, so that the shard has no fewer replicas after the
 * merge than before. None is waited for if a segment is on no node any more. As long as each is on
 * some node, owners can still copy them, even if no single node has them all.
 */
function isSafe(
  world: World,
  dataset: Dataset,
  { ids, shard, uid }: Merge,
  able: readonly NodeStatus[],
): boolean {
  const owners = ownersOf(world, dataset, shard);
  if (owners.every((owner) => able.some(({ id }) => id === owner))) return able.length > 0;
  const isOnSomeNode = (id: SegmentId): boolean =>
    servingNodes(world).some((node) => hasAll(world, node, uid, [id]));
  return able.length > 0 && !ids.every(isOnSomeNode);
}

const NOT_ASKED: NodeMerge = { failures: 0, nextMs: 0 };

function nameOf({ shard, uid }: Pick<Merge, 'uid' | 'shard'>): string {
  return `${uid} ${shard}`;
}

interface WantedMerge {
  readonly dataset: Dataset;
  readonly merge: Merge;
}

function wantedMerges(world: World, before: Merges): WantedMerge[] {
  const ongoing = new Set([...before.values()].map(({ uid }) => uid));
  const mayWant = (dataset: Dataset): boolean =>
    ongoing.has(dataset.uid) || shardIndexOf(dataset).chainLengthMax > DELTAS_MAX + 1;
  return world.datasets
    .filter((dataset) => dataset.current && !dataset.suspended && mayWant(dataset))
    .flatMap((dataset) =>
      dataset.segmentsByShard.flatMap((chain, shard) => {
        const known = before.get(nameOf({ uid: dataset.uid, shard }));
        if (known !== undefined && fits(chain, known)) return [{ dataset, merge: known }];
        if (chain.length <= DELTAS_MAX + 1) return [];
        return [{ dataset, merge: newMerge(dataset, chain, shard) }];
      }),
    );
}

/**
 * Whether the result can replace these segments. A chain has no segment twice: if a later delta
 * equals the result, all are merged again.
 */
function fits(chain: readonly SegmentRecord[], { ids, segment }: Merge): boolean {
  return (
    ids.every((id, index) => chain[index]?.id === id) &&
    !chain.slice(ids.length).some(({ id }) => id === segment?.id)
  );
}

function newMerge(dataset: Dataset, chain: readonly SegmentRecord[], shard: number): Merge {
  return {
    uid: dataset.uid,
    shard,
    ids: chain.map(({ id }) => id),
    totals: chainTotals({ segments: chain, overwritten: dataset.overwritten }),
    segment: undefined,
    nodes: new Map(),
  };
}

function servingNodes(world: World): NodeStatus[] {
  return [...world.nodes.values()].filter((node) => node.liveness === 'SERVING');
}

type ContentsOf = (node: NodeStatus, uid: KeyspaceUid) => ReadonlySet<SegmentContent>;

/** The contents of the segments of a keyspace that a node holds. */
function contentsMemo(world: World): ContentsOf {
  const memo = new Map<string, ReadonlySet<SegmentContent>>();
  return (node, uid) => {
    const name = `${node.id} ${uid}`;
    let contents = memo.get(name);
    if (contents === undefined) {
      const holdings = world.holdings.get(node.id);
      const isPresent = holdings?.incarnation === node.incarnation;
      const ids = isPresent ? (holdings.segments.get(uid) ?? []) : [];
      contents = new Set([...ids].map(contentOfSegment));
      memo.set(name, contents);
    }
    return contents;
  };
}

/** The content of the result. */
function resultOf({ shard, totals }: Merge): SegmentContent {
  return segmentContent(shard, totals.digest);
}

function hasAll(
  world: World,
  node: NodeStatus,
  uid: KeyspaceUid,
  ids: readonly SegmentId[],
): boolean {
  const holdings = world.holdings.get(node.id);
  if (holdings?.incarnation !== node.incarnation) return false;
  const held = holdings.segments.get(uid);
  return ids.every((id) => held?.has(id) === true);
}

function copyOf(world: World, { segment, uid }: Merge, target: string): Copy | undefined {
  if (segment === undefined) return undefined;
  const sources = servingNodes(world)
    .filter((node) => hasAll(world, node, uid, [segment.id]))
    .map(({ id }) => id);
  if (sources.length === 0) return undefined;
  return { target, uid, segment, sources, isArchived: false };
}

function byNode(due: Due[]): Map<string, Merge[]> {
  const asks = new Map<string, Merge[]>();
  for (const { merge, nodeId } of due.sort((left, right) => left.atMs - right.atMs)) {
    const list = asks.get(nodeId) ?? [];
    if (list.length < ORDERS_PER_NODE_MAX) asks.set(nodeId, [...list, merge]);
  }
  return asks;
}

/** A node's answer about a merge, or that it could not be asked. */
export type MergeAnswer =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'done'; readonly segment: SegmentRecord }
  | { readonly kind: 'failed' };

/** The merges after an answer. One that is over is not changed. */
export function noteAnswer(
  before: Merges,
  asked: Merge,
  nodeId: string,
  answer: MergeAnswer,
  nowMs: number,
): Merges {
  const merge = before.get(nameOf(asked));
  if (merge === undefined || merge.ids !== asked.ids) return before;
  const result =
    answer.kind === 'done' && isSameTotals(answer.segment, merge.totals)
      ? answer.segment
      : undefined;
  const segment = merge.segment ?? result;
  const known = merge.nodes.get(nodeId)?.failures ?? 0;
  const failures =
    answer.kind === 'waiting' || (result !== undefined && result.id === segment?.id)
      ? known
      : failuresAfter(known, answer);
  const pauseMs =
    failures === known ? POLL_MS : Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (failures - 1));
  const nodes = new Map(merge.nodes).set(nodeId, { failures, nextMs: nowMs + pauseMs });
  return new Map(before).set(nameOf(merge), { ...merge, nodes, segment });
}

/**
 * A node that computed other bytes, of another release perhaps, would do so again: it copies the
 * result instead.
 */
function failuresAfter(known: number, answer: MergeAnswer): number {
  return answer.kind === 'done' ? Math.max(FAILURES_BEFORE_COPY, known + 1) : known + 1;
}

/** The merges without `over`, whose results are in the manifests or no longer fit there. */
export function forgetMerges(before: Merges, over: readonly Merge[]): Merges {
  const after = new Map(before);
  for (const merge of over) after.delete(nameOf(merge));
  return after;
}

/** For World.expected: results that no manifest names yet. */
export function expectedOf(merges: Merges): World['expected'] {
  const expected = new Map<KeyspaceUid, Set<SegmentContent>>();
  for (const merge of merges.values()) {
    const contents = expected.get(merge.uid);
    if (contents === undefined) expected.set(merge.uid, new Set([resultOf(merge)]));
    else contents.add(resultOf(merge));
  }
  return expected;
}
