// What may go from which node. Pure.
//
//   leaving    manifests of RETIRED and BURNT versions, from every node
//   deleting   every segment of a keyspace that is being dropped
//              (both once nobody reads them any more: departures.ts)
//   garbage    segments of a known keyspace that no kept version refers to, while no load into it runs
//              (a load's segments are not in any manifest before its commit), once this master has known the
//              keyspace for an hour: its catalog may be a backup that was put back, and somebody may notice
//              that. At once where a load has ended without a commit, where the versions that had them are
//              leaving, or where they were merged away and the node has the manifests that no longer name
//              them; never what deltas are just being merged to
//   surplus    segments on a node that is no owner, once all owners serve verified copies: they hold
//              them, and have the manifests to answer from them
//
// Invariants: the last good copy of anything that a kept version refers to is never dropped;
// segments of an unknown keyspace are never dropped, only counted; nothing is dropped from a node
// that does not serve, and a node that is being drained keeps what others copy from it.

import { exceedingNodes } from './balance.ts';
import { holds } from './holdings.ts';
import type { NodeHoldings } from './holdings.ts';
import { isMember } from './membership.ts';
import type { NodeStatus } from './membership.ts';
import { shardIndexOf, shardOfSegment } from './shard-index.ts';
import { contentName, isInStep, ownersOf, revisionRef } from './world.ts';
import type { Leaving, World } from './world.ts';

const KNOWN_MS_MIN = 3_600_000;
/** Segments named in one order. */
const DROPS_PER_ORDER_MAX = 4096;

interface SegmentRef {
  readonly uid: string;
  readonly segmentId: string;
}

export interface DropPlan {
  readonly node: string;
  /** What was known of the node: what it takes in, or promises, after this is not meant. */
  readonly holdingsRevision: number;
  readonly segments: readonly SegmentRef[];
  readonly versions: readonly Leaving[];
}

export interface CleanupPlan {
  readonly drops: readonly DropPlan[];
  /** Segments of keyspaces that the catalog does not know. */
  readonly unknownSegments: number;
}

/**
 * `confirmed(node, leaving)` says whether the node, in this run of it, has acknowledged dropping a
 * leaving version.
 */
export function planCleanup(
  world: World,
  confirmed: (node: NodeStatus, leaving: Leaving) => boolean,
): CleanupPlan {
  const needs = new Needs(world);
  const drops: DropPlan[] = [];
  let unknownSegments = 0;
  const exceeding = new Set(exceedingNodes(world));
  // In most turns nobody has anything to drop.
  if (exceeding.size === 0 && world.leaving.length === 0) return { drops, unknownSegments };
  for (const node of world.nodes.values()) {
    const holdings = world.holdings.get(node.id);
    if (holdings?.incarnation !== node.incarnation || node.liveness !== 'SERVING') continue;
    const exceeds = exceeding.has(node.id);
    if (exceeds) unknownSegments += countUnknown(world, holdings);
    const segments = exceeds ? dropsOf(world, node, holdings, needs) : [];
    const versions = world.leaving.filter(
      (leaving) => !world.lingering.has(leaving.ref) && !confirmed(node, leaving),
    );
    if (segments.length > 0 || versions.length > 0) {
      const whole = segments.length <= DROPS_PER_ORDER_MAX;
      drops.push({
        node: node.id,
        holdingsRevision: holdings.revision,
        segments: segments.slice(0, DROPS_PER_ORDER_MAX),
        // A version is confirmed by the order that takes the last of its segments.
        versions: whole ? versions : [],
      });
    }
  }
  return { drops, unknownSegments };
}

interface KeptSegment {
  /** The most owners that any kept version wants it on. */
  readonly owners: readonly string[];
  /** The kept versions that it is of: whose manifests a node must have to serve it. */
  readonly refs: readonly string[];
}

/**
 * What is still wanted and what may go, by `<uid> <segmentId>`. Made when it is first asked for: as long as
 * every node holds just what it should, nobody asks.
 */
class Needs {
  readonly #world: World;
  /** By uid: positions of its versions in `world.datasets`. */
  readonly #versions = new Map<string, number[]>();
  #retired: ReadonlySet<string> | undefined;
  #lingering: ReadonlySet<string> | undefined;
  #merged: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(world: World) {
    this.#world = world;
    for (const [at, { uid }] of world.datasets.entries()) {
      const positions = this.#versions.get(uid);
      if (positions === undefined) this.#versions.set(uid, [at]);
      else positions.push(at);
    }
  }

  get retired(): ReadonlySet<string> {
    const { lingering } = this.#world;
    return (this.#retired ??= segmentsOfLeaving(this.#world, ({ ref }) => !lingering.has(ref)));
  }

  /** Of leaving versions that may still be read. */
  get lingering(): ReadonlySet<string> {
    const { lingering } = this.#world;
    return (this.#lingering ??= segmentsOfLeaving(this.#world, ({ ref }) => lingering.has(ref)));
  }

  /** With the manifests that a node must have before it can do without them. */
  get merged(): ReadonlyMap<string, readonly string[]> {
    return (this.#merged ??= mergedAway(this.#world));
  }

  /** Whether the node is to have it: true of nearly all that is asked here. */
  isWantedOn(nodeId: string, uid: string, segmentId: string): boolean {
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
  kept(uid: string, segmentId: string): KeptSegment | undefined {
    let owners: readonly string[] = [];
    const refs: string[] = [];
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

/** While a load runs into a keyspace nothing counts as merged away: the load may bring the same bytes. */
function mergedAway(world: World): Map<string, string[]> {
  const merged = new Map<string, string[]>();
  for (const { merged: ids, ref, revision, uid } of world.datasets) {
    if (ids.length === 0 || world.loading.has(uid)) continue;
    for (const id of ids) {
      const name = `${uid} ${id}`;
      merged.set(name, [...(merged.get(name) ?? []), revisionRef(ref, revision)]);
    }
  }
  return merged;
}

function segmentsOfLeaving(world: World, isMeant: (leaving: Leaving) => boolean): Set<string> {
  const names = new Set<string>();
  for (const leaving of world.leaving) {
    if (!isMeant(leaving)) continue;
    for (const id of leaving.segmentIds) names.add(`${leaving.uid} ${id}`);
  }
  return names;
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
    if (deleting ? world.lingering.has(uid) : knownSinceMs === undefined) continue;
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
  uid: string,
  segmentId: string,
  mayGo: boolean,
): boolean {
  const name = `${uid} ${segmentId}`;
  const kept = needs.kept(uid, segmentId);
  if (kept !== undefined) return isSurplus(world, node, uid, segmentId, kept);
  if (needs.lingering.has(name)) return false;
  if (world.expected.has(`${uid} ${contentName(segmentId)}`)) return false;
  const manifests = needs.merged.get(name);
  const known = world.holdings.get(node.id)?.manifests;
  if (manifests?.some((ref) => known?.has(ref) !== true) === true) return false;
  return mayGo || needs.retired.has(name) || manifests !== undefined;
}

function isSurplus(
  world: World,
  node: NodeStatus,
  uid: string,
  segmentId: string,
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
 * Leaving versions that every node which counts for placement is rid of, and deleted keyspaces that every
 * known one is. A datanode that is away for longer than the repair delay is not waited for with a version: what
 * it still has of it when it returns is garbage. It is with a keyspace, whose segments nobody would know.
 */
export function finishedCleanup(
  world: World,
  confirmed: (node: NodeStatus, leaving: Leaving) => boolean,
): { readonly versions: readonly Leaving[]; readonly keyspaces: readonly string[] } {
  const nodes = [...world.nodes.values()];
  const members = nodes.filter((node) => isMember(node, world.nowMs));
  const hasReported = (node: NodeStatus): boolean =>
    world.holdings.get(node.id)?.incarnation === node.incarnation && node.report !== undefined;
  if (members.length === 0 || !members.every(hasReported)) return { versions: [], keyspaces: [] };
  const versions: Leaving[] = [];
  const remaining = new Set<string>();
  for (const leaving of world.leaving) {
    if (members.every((node) => confirmed(node, leaving))) versions.push(leaving);
    else remaining.add(leaving.uid);
  }
  const isGone = (uid: string): boolean =>
    !remaining.has(uid) &&
    nodes.every(
      (node) => hasReported(node) && world.holdings.get(node.id)?.segments.has(uid) !== true,
    );
  const keyspaces = [...world.deleting].filter(isGone);
  // The records of their versions go with them.
  const gone = new Set(keyspaces);
  return { versions: versions.filter(({ uid }) => !gone.has(uid)), keyspaces };
}
