// Plans what to drop from which node. Pure.
//
//   leaving    manifests of RETIRED and BURNT versions, from every node
//   deleting   every segment of a keyspace that is being dropped
//              (both once no read can use them any more: departures.ts)
//   garbage    segments of a known keyspace that no kept version refers to, while no load into it runs
//              (before its commit, a load's segments are in no manifest). Only once this master has known
//              the keyspace for an hour: its catalog may be a restored backup, and somebody may notice.
//              At once if a load has ended without a commit, if the versions that had them are leaving,
//              or if they were merged away and the node has the manifests that no longer name them.
//              Never what deltas are being merged to
//   surplus    segments on a node that is not an owner, once all owners hold verified copies and have the
//              manifests to answer from them
//
// Invariants: the last good copy of anything that a kept version refers to is never dropped;
// segments of an unknown keyspace are only counted, never dropped; nothing is dropped from a node
// that does not serve, and a node that is being drained keeps what others copy from it.

import type { VersionId } from '../../catalog/records.ts';
import type { KeyspaceUid } from '../../../base/ids.ts';
import { contentOfSegment, segmentKey } from '../../../base/segment-name.ts';
import type { SegmentId, SegmentKey } from '../../../base/segment-name.ts';
import { exceedingNodes } from '../serving/balance.ts';
import { holds, knowsRevision } from '../world/holdings.ts';
import type { NodeHoldings } from '../world/holdings.ts';
import { isMember } from '../world/membership.ts';
import type { NodeStatus } from '../world/membership.ts';
import { shardIndexOf, shardOfSegment } from '../serving/shard-index.ts';
import { isInStep, ownersOf } from '../world/world.ts';
import type { Dataset, Leaving, World } from '../world/world.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';

const KNOWN_MS_MIN = 3_600_000;
/** Maximum number of segments in one order. */
const DROPS_PER_ORDER_MAX = 4096;

interface SegmentRef {
  readonly uid: KeyspaceUid;
  readonly segmentId: SegmentId;
}

export interface DropPlan {
  readonly node: string;
  /**
   * The revision of the node's holdings for this decision. The node keeps what it received or
   * promised later.
   */
  readonly holdingsRevision: number;
  readonly segments: readonly SegmentRef[];
  readonly versions: readonly Leaving[];
}

export interface CleanupPlan {
  readonly drops: readonly DropPlan[];
  /** Number of segments of keyspaces that the catalog does not know. */
  readonly unknownSegments: number;
}

/**
 * Plans the drops. `confirmed(node, leaving)` tells whether the node's present incarnation has
 * acknowledged dropping a leaving version.
 */
export function planCleanup(
  world: World,
  confirmed: (node: NodeStatus, leaving: Leaving) => boolean,
): CleanupPlan {
  const needs = new Needs(world);
  const drops: DropPlan[] = [];
  let unknownSegments = 0;
  const exceeding = new Set(exceedingNodes(world));
  // In most turns there is nothing to drop.
  if (exceeding.size === 0 && world.leaving.length === 0) return { drops, unknownSegments };
  for (const node of world.nodes.values()) {
    const holdings = world.holdings.get(node.id);
    if (holdings?.incarnation !== node.incarnation || node.liveness !== 'SERVING') continue;
    const exceeds = exceeding.has(node.id);
    if (exceeds) unknownSegments += countUnknown(world, holdings);
    const segments = exceeds ? dropsOf(world, node, holdings, needs) : [];
    const versions = world.leaving.filter(
      (leaving) => !world.stillReadable.has(leaving.ref) && !confirmed(node, leaving),
    );
    if (segments.length > 0 || versions.length > 0) {
      const whole = segments.length <= DROPS_PER_ORDER_MAX;
      drops.push({
        node: node.id,
        holdingsRevision: holdings.revision,
        segments: segments.slice(0, DROPS_PER_ORDER_MAX),
        // The order with the last of its segments confirms a version.
        versions: whole ? versions : [],
      });
    }
  }
  return { drops, unknownSegments };
}

interface KeptSegment {
  /** The owners that the kept versions want it on; the longest list of any version. */
  readonly owners: readonly string[];
  /** The kept versions that contain it. A node must have their manifests to serve it. */
  readonly refs: readonly VersionId[];
}

/**
 * What is still needed and what may be dropped. Computed on first use: while every node holds
 * exactly what it should, it is not used.
 */
class Needs {
  readonly #world: World;
  /** By uid: positions of its versions in `world.datasets`. */
  readonly #versions = new Map<KeyspaceUid, number[]>();
  #retired: ReadonlySet<SegmentKey> | undefined;
  #stillReadable: ReadonlySet<SegmentKey> | undefined;
  #merged: ReadonlyMap<SegmentKey, readonly Dataset[]> | undefined;

  constructor(world: World) {
    this.#world = world;
    for (const [at, { uid }] of world.datasets.entries()) {
      const positions = this.#versions.get(uid);
      if (positions === undefined) this.#versions.set(uid, [at]);
      else positions.push(at);
    }
  }

  get retired(): ReadonlySet<SegmentKey> {
    const { stillReadable } = this.#world;
    return (this.#retired ??= segmentsOfLeaving(this.#world, ({ ref }) => !stillReadable.has(ref)));
  }

  /** Segments of leaving versions that may still be read. */
  get stillReadable(): ReadonlySet<SegmentKey> {
    const { stillReadable } = this.#world;
    return (this.#stillReadable ??= segmentsOfLeaving(this.#world, ({ ref }) =>
      stillReadable.has(ref),
    ));
  }

  /**
   * Segments that were merged away, with the versions whose present manifests a node must have
   * before it can drop them.
   */
  get merged(): ReadonlyMap<SegmentKey, readonly Dataset[]> {
    return (this.#merged ??= mergedAway(this.#world));
  }

  /** Whether the node should have the segment: true of nearly all that are tested here. */
  isWantedOn(nodeId: string, uid: KeyspaceUid, segmentId: SegmentId): boolean {
    for (const at of this.#versions.get(uid) ?? []) {
      const dataset = this.#world.datasets[at];
      if (dataset === undefined) continue;
      const shard = shardOfSegment(shardIndexOf(dataset), segmentId);
      const rank = shard < 0 ? -1 : (this.#world.owners[shard]?.indexOf(nodeId) ?? -1);
      if (rank >= 0 && rank < dataset.replication) return true;
    }
    return false;
  }

  /** Undefined: no kept version refers to it. */
  kept(uid: KeyspaceUid, segmentId: SegmentId): KeptSegment | undefined {
    let owners: readonly string[] = [];
    const refs: VersionId[] = [];
    for (const at of this.#versions.get(uid) ?? []) {
      const dataset = this.#world.datasets[at];
      if (dataset === undefined) continue;
      const shard = shardOfSegment(shardIndexOf(dataset), segmentId);
      if (shard < 0) continue;
      const wanted = ownersOf(this.#world, dataset, shard);
      if (wanted.length > owners.length) owners = wanted;
      refs.push(dataset.ref);
    }
    return refs.length === 0 ? undefined : { owners, refs };
  }
}

/**
 * Nothing counts as merged away while a load runs into the keyspace: the load may bring the same
 * bytes.
 */
function mergedAway(world: World): Map<SegmentKey, Dataset[]> {
  const merged = new Map<SegmentKey, Dataset[]>();
  for (const dataset of world.datasets) {
    if (world.loading.has(dataset.uid)) continue;
    for (const id of dataset.merged) {
      const key = segmentKey(dataset.uid, id);
      merged.set(key, [...(merged.get(key) ?? []), dataset]);
    }
  }
  return merged;
}

function segmentsOfLeaving(world: World, isMeant: (leaving: Leaving) => boolean): Set<SegmentKey> {
  const keys = new Set<SegmentKey>();
  for (const leaving of world.leaving) {
    if (!isMeant(leaving)) continue;
    for (const id of leaving.segmentIds) keys.add(segmentKey(leaving.uid, id));
  }
  return keys;
}

function countUnknown(world: World, holdings: NodeHoldings): number {
  let count = 0;
  for (const [uid, ids] of holdings.segments) {
    if (!world.knownSinceMs.has(uid) && !world.deleting.has(uid)) count += ids.size;
  }
  return count;
}

function dropsOf(
  world: World,
  node: NodeStatus,
  holdings: NodeHoldings,
  needs: Needs,
): SegmentRef[] {
  const drops: SegmentRef[] = [];
  for (const [uid, ids] of holdings.segments) {
    const deleting = world.deleting.has(uid);
    const knownSinceMs = world.knownSinceMs.get(uid);
    if (deleting ? world.stillReadable.has(uid) : knownSinceMs === undefined) continue;
    if (deleting) {
      for (const segmentId of ids) drops.push({ uid, segmentId });
      continue;
    }
    const isKnownLong = world.nowMs - (knownSinceMs ?? world.nowMs) >= KNOWN_MS_MIN;
    const mayGo = isKnownLong && !world.loading.has(uid);
    for (const segmentId of ids) {
      if (needs.isWantedOn(node.id, uid, segmentId)) continue;
      if (isUnneeded(world, node, needs, uid, segmentId, mayGo)) drops.push({ uid, segmentId });
    }
  }
  return drops;
}

function isUnneeded(
  world: World,
  node: NodeStatus,
  needs: Needs,
  uid: KeyspaceUid,
  segmentId: SegmentId,
  mayGo: boolean,
): boolean {
  const key = segmentKey(uid, segmentId);
  const kept = needs.kept(uid, segmentId);
  if (kept !== undefined) return isSurplus(world, node, uid, segmentId, kept);
  if (needs.stillReadable.has(key)) return false;
  if (world.expected.get(uid)?.has(contentOfSegment(segmentId)) === true) return false;
  const mergedIn = needs.merged.get(key);
  const held = world.holdings.get(node.id);
  const lacks = ({ ref, revision }: Dataset): boolean => !knowsRevision(held, ref, revision);
  if (mergedIn?.some(lacks) === true) return false;
  return mayGo || needs.retired.has(key) || mergedIn !== undefined;
}

function isSurplus(
  world: World,
  node: NodeStatus,
  uid: KeyspaceUid,
  segmentId: SegmentId,
  needed: KeptSegment,
): boolean {
  if (world.draining.has(node.id)) return false;
  if (needed.owners.length === 0 || needed.owners.includes(node.id)) return false;
  return needed.owners.every((id) => {
    const owner = world.nodes.get(id);
    return (
      owner?.liveness === 'SERVING' &&
      isInStep(world, owner) &&
      holds(world.holdings.get(id), uid, segmentId) &&
      needed.refs.every((ref) => world.holdings.get(id)?.manifests.has(ref) === true)
    );
  });
}

/**
 * Leaving versions that every node which counts for placement has dropped, and deleted keyspaces
 * that every known node has dropped. A version does not wait for a datanode that is away for longer
 * than the repair delay: what that still has when it returns is garbage. A keyspace does wait,
 * because the catalog could not identify its segments later.
 */
export function finishedCleanup(
  world: World,
  confirmed: (node: NodeStatus, leaving: Leaving) => boolean,
): { readonly versions: readonly Leaving[]; readonly keyspaces: readonly KeyspaceUid[] } {
  const nodes = [...world.nodes.values()];
  const members = nodes.filter((node) => isMember(node, world.nowMs));
  const hasReported = (node: NodeStatus): boolean =>
    world.holdings.get(node.id)?.incarnation === node.incarnation && node.report !== undefined;
  if (members.length === 0 || !members.every(hasReported)) return { versions: [], keyspaces: [] };
  const versions: Leaving[] = [];
  const remaining = new Set<KeyspaceUid>();
  for (const leaving of world.leaving) {
    if (members.every((node) => confirmed(node, leaving))) versions.push(leaving);
    else remaining.add(leaving.uid);
  }
  // A node that still verifies its files does not hold all of them yet.
  const isGoneFrom = (node: NodeStatus, uid: KeyspaceUid): boolean =>
    node.report?.state === NodeState.SERVING &&
    isInStep(world, node) &&
    world.holdings.get(node.id)?.segments.has(uid) !== true;
  const isGone = (uid: KeyspaceUid): boolean =>
    !remaining.has(uid) && nodes.every((node) => isGoneFrom(node, uid));
  const keyspaces = [...world.deleting].filter(isGone);
  // The records of their versions go with them.
  const gone = new Set(keyspaces);
  return { versions: versions.filter(({ uid }) => !gone.has(uid)), keyspaces };
}
