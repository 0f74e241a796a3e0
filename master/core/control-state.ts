// All that the control plane knows and has decided, as one immutable value.
//
//   events (control-events.ts)      ControlState --event--> ControlState
//   a turn (control.ts)             ControlState --nowMs--> ControlState + orders
//
// Only the catalog is on disk. After a restart of the master, the rest is rebuilt from the nodes'
// own reports. Files of this folder have no clock, network, disk or randomness.

import { accessDigestOf } from '../catalog/access-transitions.ts';
import { archivedVersions } from '../catalog/archive-transitions.ts';
import type { VersionId } from '../catalog/records.ts';
import type { KeyspaceUid } from '../../base/ids.ts';
import type { CatalogState } from '../catalog/catalog.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { clusterOf, epochOf, virtualNodesOf } from '../catalog/queries.ts';
import { catalogFacts } from './world/datasets.ts';
import type { CatalogFacts } from './world/datasets.ts';
import { stillReadableOf } from './world/departures.ts';
import type { Departures } from './world/departures.ts';
import { computeHealth } from './serving/health.ts';
import type { Health } from './serving/health.ts';
import type { HoldingsByNode } from './world/holdings.ts';
import { beginLoop, resumingOf } from './plans/keyspace-loop.ts';
import type { KeyspaceLoops } from './plans/keyspace-loop.ts';
import type { Membership, MembershipLimits } from './world/membership.ts';
import { expectedOf } from './plans/merge.ts';
import type { Merges } from './plans/merge.ts';
import { NO_PLACEMENT, placeOwners } from './world/placement.ts';
import type { Placed } from './world/placement.ts';
import type { InFlight, RepairLimits } from './plans/repair.ts';
import { buildView } from './serving/routes.ts';
import { lateNodes, unknownNodesUntil } from './world/view-lag.ts';
import type { LaggingNodes } from './world/view-lag.ts';
import type { TierChanges } from './world/tier-moves.ts';
import type { World } from './world/world.ts';

export interface ControlSettings {
  /** Identifies this start of the master (ClusterView.term). */
  readonly term: string;
  readonly replication: number;
  readonly membership: MembershipLimits;
  readonly repair: RepairLimits;
  /** Time for which data that has left the view stays on the nodes, for reads in progress. */
  readonly retireDelayMs: number;
  /** The URL of the deep store; absent: there is none. */
  readonly deepStore?: string;
  /** True if this master started with a catalog from a backup. */
  readonly restored?: boolean;
}

/** The newest view of this epoch that a node's incarnation is known to have, with its manifests. */
interface AppliedView {
  readonly incarnation: string;
  readonly revision: number;
}

export interface ControlState {
  /** Monotonic time of this master's start. */
  readonly startedMs: number;
  readonly catalog: CatalogState;
  readonly facts: CatalogFacts;
  readonly nodes: Membership;
  readonly holdings: HoldingsByNode;
  readonly applied: ReadonlyMap<string, AppliedView>;
  readonly behind: LaggingNodes;
  /**
   * Until this monotonic time, nodes that the catalog (an older copy) does not know may still
   * register.
   */
  readonly unknownNodesUntilMs: number;
  /** By node: the leaving versions that its present incarnation has dropped. */
  readonly droppedByNode: ReadonlyMap<string, ReadonlySet<VersionId>>;
  /** As in the world. */
  readonly knownSinceMs: ReadonlyMap<KeyspaceUid, number>;
  readonly inFlight: InFlight;
  readonly merges: Merges;
  readonly loops: KeyspaceLoops;
  readonly departures: Departures;
  readonly tierChanges: TierChanges;
  readonly placed: Placed;
  /** The world of the last turn, and the results. */
  readonly world: World;
  readonly health: Health;
  readonly view: ClusterView;
  /** Incremented by every event that should be followed by a turn soon. */
  readonly changeCounter: number;
}

/** The state of a master that has read the catalog and heard from no node. */
export function beginControl(
  catalog: CatalogState,
  settings: ControlSettings,
  nowMs: number,
): ControlState {
  const facts = catalogFacts(catalog, settings.replication);
  const loops = new Map(
    facts.records.map((record) => [
      record.uid,
      beginLoop(record, catalog.observed.get(record.uid), nowMs),
    ]),
  );
  const empty = {
    startedMs: nowMs,
    catalog,
    facts,
    nodes: new Map(),
    holdings: new Map(),
    applied: new Map(),
    behind: new Map(),
    unknownNodesUntilMs:
      settings.restored === true ? unknownNodesUntil(nowMs) : Number.NEGATIVE_INFINITY,
    droppedByNode: new Map(),
    knownSinceMs: new Map(),
    inFlight: new Map(),
    merges: new Map(),
    loops,
    departures: new Map(),
    tierChanges: new Map(),
    placed: NO_PLACEMENT,
    changeCounter: 0,
  };
  const { placed, world } = buildWorld(empty, settings, nowMs);
  const health = computeHealth(world);
  const view = {
    ...buildView(world, health, facts.keyspaces, {
      ...leaderOf(catalog, settings),
      settled: false,
    }),
    revision: 1,
  };
  return { ...empty, placed, world, health, view };
}

/** The master's part of a view. */
export function leaderOf(
  catalog: CatalogState,
  { term }: ControlSettings,
): Pick<ClusterView, 'epoch' | 'term' | 'clusterId' | 'accessDigest'> {
  const about = { epoch: epochOf(catalog), term, clusterId: clusterOf(catalog).id };
  const accessDigest = accessDigestOf(catalog);
  return accessDigest === '' ? about : { ...about, accessDigest };
}

/** The world at `nowMs` with its placement, which is reused while its inputs stay the same. */
export function buildWorld(
  state: Omit<ControlState, 'world' | 'health' | 'view'>,
  settings: ControlSettings,
  nowMs: number,
): { readonly world: World; readonly placed: Placed } {
  const { facts } = state;
  const resuming = resumingOf(facts.records, state.loops);
  const base = {
    nodes: state.nodes,
    holdings: state.holdings,
    nowMs,
    shardCount: clusterOf(state.catalog).shardCount,
    virtualNodes: virtualNodesOf(state.catalog),
    replication: settings.replication,
    knownSinceMs: new Map(
      facts.keyspaceUids.map((uid) => [uid, state.knownSinceMs.get(uid) ?? nowMs]),
    ),
    resuming,
    datasets:
      resuming.size === 0
        ? facts.datasets
        : facts.datasets.map((dataset) =>
            resuming.has(dataset.uid) ? { ...dataset, suspended: true } : dataset,
          ),
    leaving: facts.leaving,
    deleting: facts.deleting,
    stillReadable: stillReadableOf(
      state.departures,
      facts.leavingNames,
      nowMs,
      settings.retireDelayMs,
      (revision) => isAppliedByAll(state, revision),
    ),
    draining: facts.draining,
    loading: facts.loading,
    archived: archivedVersions(state.catalog, settings.deepStore ?? ''),
    expected: expectedOf(state.merges),
    late: lateNodes(state, leaderOf(state.catalog, settings), nowMs),
    awaitsUnknownNodes: nowMs < state.unknownNodesUntilMs,
  };
  const placed = placeOwners(state.placed, base);
  return { world: { ...base, owners: placed.owners }, placed };
}

/** Whether every serving node has the view of this revision or a later one. */
export function isAppliedByAll(
  { applied, nodes }: Pick<ControlState, 'applied' | 'nodes'>,
  revision: number,
): boolean {
  for (const { id, incarnation, liveness } of nodes.values()) {
    if (liveness !== 'SERVING') continue;
    const has = applied.get(id);
    if (has?.incarnation !== incarnation || has.revision < revision) return false;
  }
  return true;
}
