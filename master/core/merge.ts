// Which shards' deltas are to be merged, by whom, and when the result may take their place. Pure.
//
//   a shard of a current version has more than DELTAS_MAX deltas
//        -> every serving node that has them all is asked to merge them, again and again: the answer
//           says how far it is (datanode/maintenance/merger.ts). Replicas come to the same segment by themselves
//        -> a node that cannot, while another one has the result, is ordered to copy it
//        -> all owners, and all others that were asked, hold the result: it is ready to be put into
//           the manifest. An owner that is away is waited for, until the ring has another one
//
// What is being merged is remembered by its segments, not by its version: an append in between adds
// deltas behind them, and the result fits there as well. After a restart of the master all of it is
// found again by asking; also on a catalog that was restored from before the merge, when the segments
// that it names are gone: a result tells by its name what it holds.
//
// Invariants: only segments of current versions are merged; a result counts only if it holds what
// its segments hold together (counts and digest); one merge a shard at a time.

import { DELTAS_MAX } from '../../base/limits.ts';
import type { SegmentRecord } from '../catalog/records.ts';
import { chainTotals, isSameTotals } from '../catalog/totals.ts';
import type { TotalsRecord } from '../catalog/totals.ts';
import type { NodeStatus } from './membership.ts';
import type { Copy } from './repair.ts';
import { shardIndexOf } from './shard-index.ts';
import { contentName, ownersOf } from './world.ts';
import type { Dataset, World } from './world.ts';

const POLL_MS = 1_000;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 60_000;
/** From then on the result is copied from another node, if one has it. */
const FAILURES_BEFORE_COPY = 2;
/** Orders in one message. */
const ORDERS_PER_NODE_MAX = 64;

/** One shard's deltas on their way to one segment. */
export interface Merge {
  readonly uid: string;
  readonly shard: number;
  /** Oldest first. */
  readonly ids: readonly string[];
  readonly totals: TotalsRecord;
  /** The result, once some node has it. */
  readonly segment: SegmentRecord | undefined;
  readonly nodes: ReadonlyMap<string, NodeMerge>;
}

interface NodeMerge {
  readonly failures: number;
  readonly nextMs: number;
}

/** By `<uid> <shard>`. */
export type Merges = ReadonlyMap<string, Merge>;

export interface MergePlan {
  readonly merges: Merges;
  /** What to ask each node, most overdue first. */
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

/** Serving nodes that can say what the result is: they have the segments, or it. */
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
 * All owners are among the able ones, so that a shard has no fewer replicas after its deltas were merged
 * than before; none is waited for where nobody has the segments any more.
 */
function isSafe(
  world: World,
  dataset: Dataset,
  { ids, shard, uid }: Merge,
  able: readonly NodeStatus[],
): boolean {
  const owners = ownersOf(world, dataset, shard);
  if (owners.every((owner) => able.some(({ id }) => id === owner))) return able.length > 0;
  return able.length > 0 && !able.some((node) => hasAll(world, node, uid, ids));
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

/** A chain has no segment twice: where a later delta is what these come to, all is merged anew. */
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

type ContentsOf = (node: NodeStatus, uid: string) => ReadonlySet<string>;

/** What the segments of a keyspace on a node hold, by the beginnings of their names. */
function contentsMemo(world: World): ContentsOf {
  const memo = new Map<string, ReadonlySet<string>>();
  return (node, uid) => {
    const name = `${node.id} ${uid}`;
    let contents = memo.get(name);
    if (contents === undefined) {
      const holdings = world.holdings.get(node.id);
      const isPresent = holdings?.incarnation === node.incarnation;
      const ids = isPresent ? (holdings.segments.get(uid) ?? []) : [];
      contents = new Set([...ids].map(contentName));
      memo.set(name, contents);
    }
    return contents;
  };
}

/** The beginning of the result's name. */
function resultOf({ shard, totals }: Merge): string {
  return `${String(shard).padStart(5, '0')}-${totals.digest}-`;
}

function hasAll(world: World, node: NodeStatus, uid: string, ids: readonly string[]): boolean {
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
  return sources.length === 0 ? undefined : { target, uid, segment, sources };
}

function byNode(due: Due[]): Map<string, Merge[]> {
  const asks = new Map<string, Merge[]>();
  for (const { merge, nodeId } of due.sort((left, right) => left.atMs - right.atMs)) {
    const list = asks.get(nodeId) ?? [];
    if (list.length < ORDERS_PER_NODE_MAX) asks.set(nodeId, [...list, merge]);
  }
  return asks;
}

/** What a node said of a merge, or that it could not be asked. */
export type MergeAnswer =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'done'; readonly segment: SegmentRecord }
  | { readonly kind: 'failed' };

/** The merges after an answer; one that is over is left alone. */
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

/** A node that comes to other bytes, of another release perhaps, would do so again: it is to copy. */
function failuresAfter(known: number, answer: MergeAnswer): number {
  return answer.kind === 'done' ? Math.max(FAILURES_BEFORE_COPY, known + 1) : known + 1;
}

/** They are in the manifests now, or do not fit there any more. */
export function forgetMerges(before: Merges, over: readonly Merge[]): Merges {
  const after = new Map(before);
  for (const merge of over) after.delete(nameOf(merge));
  return after;
}

/** For World.expected: results that no manifest names yet. */
export function expectedOf(merges: Merges): ReadonlySet<string> {
  return new Set([...merges.values()].map((merge) => `${merge.uid} ${resultOf(merge)}`));
}
