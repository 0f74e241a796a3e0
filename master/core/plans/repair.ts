// Desired replicas minus reported holdings = copy orders. Pure.
//
// For every kept version, owners that lack a segment copy it from nodes that hold it, or from the
// deep store if none does and the version is there. Segments with the fewest replicas come first,
// then current versions, so that what is nearest to loss is saved first. Copies in progress are in
// `InFlight`. An order that failed or timed out is retried after a growing delay, with the sources
// in another order.
//
// Invariants: sources are verified holders only, and a deep store that has the whole version; a
// node gets no orders unless its holdings are known up to its last heartbeat; a node has at most
// `copiesPerNodeMax` orders queued unless they are small (many small segments must not take a
// heartbeat each).

import { segmentKey } from '../../../base/segment-name.ts';
import type { SegmentId } from '../../../base/segment-name.ts';
import type { Branded, KeyspaceUid } from '../../../base/ids.ts';
import type { SegmentRecord } from '../../catalog/records.ts';
import { balanceOf, lackedShards, ownedShards } from '../serving/balance.ts';
import { coverageOf } from '../serving/coverage.ts';
import { holds } from '../world/holdings.ts';
import { takesSegments } from '../world/membership.ts';
import type { NodeStatus } from '../world/membership.ts';
import { servingOf } from '../serving/serving.ts';
import type { Serving } from '../serving/serving.ts';
import { isInStep, ownersOf } from '../world/world.ts';
import type { Dataset, World } from '../world/world.ts';

/**
 * Orders to one node may exceed `copiesPerNodeMax` while their total is below this: a node that
 * copies 100 MB/s must not become idle before its next heartbeat. How many run at a time is a
 * setting of its own.
 */
const QUEUED_BYTES_MIN = 64 * 1024 * 1024;
const ORDERS_PER_NODE_MAX = 128;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;
/** Number of failures after which a copy is reported. */
const FAILING_AFTER = 3;
const DEADLINE_BASE_MS = 30_000;
/** A slower source is given up if no rate is set. */
const BYTES_PER_MS_MIN = 1024;

export interface RepairLimits {
  readonly copiesPerNodeMax: number;
  /** Per target node; 0: unlimited. */
  readonly bytesPerSecondMax: number;
}

/** One segment wanted on one node. */
export interface Copy {
  readonly target: string;
  readonly uid: KeyspaceUid;
  readonly segment: SegmentRecord;
  /** Ids of holders, in the order of the attempts. */
  readonly sources: readonly string[];
  /** Whether the deep store has it, to be asked last. */
  readonly isArchived: boolean;
}

interface Attempt {
  readonly target: string;
  readonly uid: KeyspaceUid;
  readonly bytes: number;
  readonly attempts: number;
  /** Running until then; 0: failed, waiting for `retryAtMs`. */
  readonly deadlineMs: number;
  readonly retryAtMs: number;
  /** The last error; empty if there was none. */
  readonly reason: string;
}

/** One segment of a keyspace on its way to one node. */
type CopyKey = Branded<string, 'CopyKey'>;

/** Copies ordered and not yet seen in the holdings. */
export type InFlight = ReadonlyMap<CopyKey, Attempt>;

export interface RepairPlan {
  readonly orders: readonly Copy[];
  readonly inFlight: InFlight;
  /** Number of segments wanted somewhere and missing there, including those in flight. */
  readonly missing: number;
}

export function copyKey(target: string, uid: string, segmentId: string): CopyKey {
  return `${target} ${segmentKey(uid, segmentId)}` as CopyKey;
}

/** The orders to give now, and what is in flight afterwards. */
export function planRepair(world: World, before: InFlight, limits: RepairLimits): RepairPlan {
  const { keys, wanted } = wantedCopies(world);
  const inFlight = stillWanted(before, keys, world.nowMs);
  const orders: Copy[] = [];
  const loadByNode = loadOf(inFlight);
  for (const { copy, key } of wanted) {
    const known = inFlight.get(key);
    if (known !== undefined && (known.deadlineMs > 0 || known.retryAtMs > world.nowMs)) continue;
    const load = loadByNode.get(copy.target) ?? { count: 0, bytes: 0 };
    if (!hasRoom(load, copy.segment.fileBytes, limits)) continue;
    loadByNode.set(copy.target, {
      count: load.count + 1,
      bytes: load.bytes + copy.segment.fileBytes,
    });
    const attempts = (known?.attempts ?? 0) + 1;
    orders.push({ ...copy, sources: rotate(copy.sources, attempts - 1) });
    inFlight.set(key, {
      target: copy.target,
      uid: copy.uid,
      bytes: copy.segment.fileBytes,
      attempts,
      deadlineMs: world.nowMs + deadlineAfterMs(copy.segment.fileBytes, load.bytes, limits),
      retryAtMs: 0,
      reason: known?.reason ?? '',
    });
  }
  return { orders, inFlight, missing: wanted.length };
}

interface Wanted {
  readonly copy: Copy;
  readonly key: CopyKey;
  readonly urgency: number;
}

interface AllWanted {
  readonly archived: World['archived'];
  /** Most urgent first. */
  readonly wanted: readonly Wanted[];
  readonly keys: ReadonlySet<CopyKey>;
}

const remembered = new WeakMap<Serving, AllWanted>();

function wantedCopies(world: World): AllWanted {
  const serving = servingOf(world);
  let all = remembered.get(serving);
  const { archived } = world;
  if (all?.archived !== archived) {
    const byKey = lookForWanted(world);
    const wanted = [...byKey.values()].sort((left, right) => left.urgency - right.urgency);
    remembered.set(serving, (all = { archived, wanted, keys: new Set(byKey.keys()) }));
  }
  return all;
}

function lookForWanted(world: World): ReadonlyMap<CopyKey, Wanted> {
  const wanted = new Map<CopyKey, Wanted>();
  const targets = [...world.nodes.values()].filter(
    (node) =>
      node.liveness === 'SERVING' &&
      takesSegments(node) &&
      isInStep(world, node) &&
      balanceOf(world, node.id).lacks,
  );
  if (targets.length === 0) return wanted;
  const holders = new Holders(world, targets);
  for (const [at, dataset] of world.datasets.entries()) {
    const lacking = lackingNodes(world, at, dataset, targets);
    if (lacking.size === 0) continue;
    for (const shard of [...lacking.keys()].sort((left, right) => left - right)) {
      for (const segment of dataset.segmentsByShard[shard] ?? []) {
        addWanted(world, dataset, segment, lacking.get(shard) ?? [], holders, wanted);
      }
    }
  }
  return wanted;
}

/** By shard of the dataset: owners among `targets` that lack some of it. */
function lackingNodes(
  world: World,
  at: number,
  { replication }: Dataset,
  targets: readonly NodeStatus[],
): Map<number, string[]> {
  const { nodes } = coverageOf(world);
  const lacking = new Map<number, string[]>();
  for (const { id } of targets) {
    const share = nodes.get(id)?.shares[at];
    if (share === undefined) continue;
    for (const shard of lackedShards(share, ownedShards(world, id), replication)) {
      const ids = lacking.get(shard);
      if (ids === undefined) lacking.set(shard, [id]);
      else ids.push(id);
    }
  }
  return lacking;
}

/** The nodes that hold segments of the shards that `targets` own, in the order of the nodes. */
class Holders {
  readonly #byShard = new Map<number, NodeStatus[]>();
  /** By shard and set of holders: most versions of a shard have the same holders. */
  readonly #sources = new Map<number, Map<string, readonly string[]>>();

  constructor(world: World, targets: readonly NodeStatus[]) {
    for (const { id } of targets) {
      for (const shard of ownedShards(world, id).shards) this.#byShard.set(shard, []);
    }
    for (const [id, { shards }] of coverageOf(world).nodes) {
      const node = world.nodes.get(id);
      if (node === undefined) continue;
      for (const shard of shards) this.#byShard.get(shard)?.push(node);
    }
  }

  /** The holders of the segment as sources, in the order of the attempts. */
  sourcesOf(
    world: World,
    uid: KeyspaceUid,
    { id: segmentId, shard }: SegmentRecord,
    owners: readonly string[],
  ): readonly string[] {
    let known = this.#sources.get(shard);
    if (known === undefined) this.#sources.set(shard, (known = new Map<string, string[]>()));
    const holders = this.#byShard.get(shard) ?? [];
    let name = `${owners.length}:`;
    for (const node of holders) name += holdsNow(world, node, uid, segmentId) ? '1' : '0';
    let sources = known.get(name);
    if (sources === undefined) {
      const having = holders.filter((node) => holdsNow(world, node, uid, segmentId));
      known.set(name, (sources = inOrder(having, shard, owners)));
    }
    return sources;
  }
}

function addWanted(
  world: World,
  dataset: Dataset,
  segment: SegmentRecord,
  lacking: readonly string[],
  holders: Holders,
  wanted: Map<string, Wanted>,
): void {
  let sources: readonly string[] | undefined;
  const owners = ownersOf(world, dataset, segment.shard);
  const isArchived = world.archived.has(dataset.ref);
  for (const target of owners) {
    const node = world.nodes.get(target);
    if (node === undefined || !lacking.includes(target)) continue;
    if (holdsNow(world, node, dataset.uid, segment.id)) continue;
    sources ??= holders.sourcesOf(world, dataset.uid, segment, owners);
    if (sources.length === 0 && !isArchived) return;
    const key = copyKey(target, dataset.uid, segment.id);
    const before = wanted.get(key);
    if (before !== undefined && !dataset.current) continue;
    wanted.set(key, {
      key,
      copy: {
        target,
        uid: dataset.uid,
        segment,
        sources,
        // By this version, or by another that shares the segment.
        isArchived: isArchived || before?.copy.isArchived === true,
      },
      urgency: sources.length * 2 + (dataset.current ? 0 : 1),
    });
  }
}

/**
 * Verified holders in order: serving nodes first, owners first and spread over the shards; then
 * suspects.
 */
function inOrder(
  having: readonly NodeStatus[],
  shard: number,
  owners: readonly string[],
): string[] {
  const serving = having.filter((node) => node.liveness === 'SERVING').map((node) => node.id);
  const suspect = having.filter((node) => node.liveness === 'SUSPECT').map((node) => node.id);
  const byOwner = serving.sort(
    (left, right) => Number(owners.includes(right)) - Number(owners.includes(left)),
  );
  return [...rotate(byOwner, shard), ...suspect];
}

function holdsNow(world: World, node: NodeStatus, uid: KeyspaceUid, segmentId: SegmentId): boolean {
  const holdings = world.holdings.get(node.id);
  return holdings?.incarnation === node.incarnation && holds(holdings, uid, segmentId);
}

function rotate(ids: readonly string[], by: number): string[] {
  if (ids.length === 0) return [];
  const start = by % ids.length;
  return [...ids.slice(start), ...ids.slice(0, start)];
}

/** Removes copies that have arrived or are no longer wanted; overdue ones count as failed. */
function stillWanted(
  before: InFlight,
  keys: ReadonlySet<CopyKey>,
  nowMs: number,
): Map<CopyKey, Attempt> {
  const after = new Map<CopyKey, Attempt>();
  for (const [key, attempt] of before) {
    if (!keys.has(key)) continue;
    const overdue = attempt.deadlineMs > 0 && attempt.deadlineMs <= nowMs;
    after.set(key, overdue ? failedAttempt(attempt, nowMs, 'it took too long') : attempt);
  }
  return after;
}

/** Records the failure of a copy. Its delay grows with each failure. */
export function copyFailed(
  before: InFlight,
  key: CopyKey,
  nowMs: number,
  reason: string,
): InFlight {
  const attempt = before.get(key);
  if (attempt === undefined || attempt.deadlineMs === 0) return before;
  return new Map(before).set(key, failedAttempt(attempt, nowMs, reason));
}

/** Removes the orders to an earlier incarnation of the node. */
export function forgetTarget(before: InFlight, target: string): InFlight {
  return new Map([...before].filter(([, attempt]) => attempt.target !== target));
}

/** The number of copies that run, and that wait for a retry. */
export function countCopies(inFlight: InFlight): {
  readonly running: number;
  readonly failing: number;
} {
  let running = 0;
  for (const { deadlineMs } of inFlight.values()) if (deadlineMs > 0) running++;
  return { running, failing: inFlight.size - running };
}

/** By keyspace uid: the error of a copy that failed repeatedly. */
export function failingCopies(inFlight: InFlight): ReadonlyMap<KeyspaceUid, string> {
  const failing = new Map<KeyspaceUid, string>();
  for (const { attempts, deadlineMs, reason, target, uid } of inFlight.values()) {
    if (deadlineMs !== 0 || attempts < FAILING_AFTER) continue;
    if (!failing.has(uid)) failing.set(uid, `a copy to datanode ${target} fails: ${reason}`);
  }
  return failing;
}

/** Makes all failed copies of these keyspaces due now. */
export function retryNow(before: InFlight, uids: readonly KeyspaceUid[], nowMs: number): InFlight {
  if (uids.length === 0) return before;
  return new Map(
    [...before].map(([key, attempt]) => [
      key,
      attempt.deadlineMs === 0 && uids.includes(attempt.uid)
        ? { ...attempt, retryAtMs: nowMs }
        : attempt,
    ]),
  );
}

function failedAttempt(attempt: Attempt, nowMs: number, reason: string): Attempt {
  const pauseMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (attempt.attempts - 1));
  return { ...attempt, deadlineMs: 0, retryAtMs: nowMs + pauseMs, reason };
}

interface NodeLoad {
  readonly count: number;
  readonly bytes: number;
}

function loadOf(inFlight: InFlight): Map<string, NodeLoad> {
  const loads = new Map<string, NodeLoad>();
  for (const { bytes, deadlineMs, target } of inFlight.values()) {
    if (deadlineMs === 0) continue;
    const load = loads.get(target) ?? { count: 0, bytes: 0 };
    loads.set(target, { count: load.count + 1, bytes: load.bytes + bytes });
  }
  return loads;
}

function hasRoom(load: NodeLoad, bytes: number, limits: RepairLimits): boolean {
  if (load.count < limits.copiesPerNodeMax) return true;
  return load.count < ORDERS_PER_NODE_MAX && load.bytes + bytes <= QUEUED_BYTES_MIN;
}

/** Includes the orders that the node has queued before it. */
function deadlineAfterMs(bytes: number, queuedBytes: number, limits: RepairLimits): number {
  const bytesPerMs =
    limits.bytesPerSecondMax > 0
      ? Math.min(BYTES_PER_MS_MIN, limits.bytesPerSecondMax / 2000)
      : BYTES_PER_MS_MIN;
  return DEADLINE_BASE_MS + (bytes + queuedBytes) / bytesPerMs;
}
