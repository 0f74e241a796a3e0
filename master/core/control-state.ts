// All that the control plane knows and has decided, as one immutable value.
//
//   events (control-events.ts)      ControlState --event--> ControlState
//   a turn (control.ts)             ControlState --nowMs--> ControlState + orders
//
// Nothing of it is on disk but the catalog: the rest is built again from the nodes' own reports after
// a restart of the master. Files of this folder have no clock, network, disk or randomness.

import type { CatalogState } from '../catalog/catalog.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { clusterOf, epochOf, virtualNodesOf } from '../catalog/queries.ts';
import { catalogFacts } from './datasets.ts';
import type { CatalogFacts } from './datasets.ts';
import { lingeringOf } from './departures.ts';
import type { Departures } from './departures.ts';
import { computeHealth } from './health.ts';
import type { Health } from './health.ts';
import type { Holdings } from './holdings.ts';
import { beginLoop, resumingOf } from './keyspace-loop.ts';
import type { KeyspaceLoops } from './keyspace-loop.ts';
import type { Membership, MembershipLimits } from './membership.ts';
import { expectedOf } from './merge.ts';
import type { Merges } from './merge.ts';
import { NO_PLACEMENT, placeOwners } from './placement.ts';
import type { Placed } from './placement.ts';
import type { InFlight, RepairLimits } from './repair.ts';
import { buildView } from './routes.ts';
import { lateNodes, strangersUntil } from './view-lag.ts';
import type { Behind } from './view-lag.ts';
import type { World } from './world.ts';

export interface ControlSettings {
  /** Names this start of the master (ClusterView.term). */
  readonly term: string;
  readonly replication: number;
  readonly membership: MembershipLimits;
  readonly repair: RepairLimits;
  /** How long what has left the view stays on the nodes, for reads that have begun. */
  readonly retireDelayMs: number;
  /** The catalog that this master began with came from a backup. */
  readonly restored?: boolean;
}

/** The newest view of this epoch that a run of a node is known to have, with its manifests. */
interface AppliedView {
  readonly incarnation: string;
  readonly revision: number;
}

export interface ControlState {
  /** Monotonic; when this master began. */
  readonly startedMs: number;
  readonly catalog: CatalogState;
  readonly facts: CatalogFacts;
  readonly nodes: Membership;
  readonly holdings: Holdings;
  readonly applied: ReadonlyMap<string, AppliedView>;
  readonly behind: Behind;
  /** Until when nodes may register that the catalog, an older copy, does not know; monotonic. */
  readonly strangersUntilMs: number;
  /** By node: refs of leaving versions that its present run has dropped. */
  readonly rid: ReadonlyMap<string, ReadonlySet<string>>;
  /** As in the world. */
  readonly knownSinceMs: ReadonlyMap<string, number>;
  readonly inFlight: InFlight;
  readonly merges: Merges;
  readonly loops: KeyspaceLoops;
  readonly departures: Departures;
  readonly placed: Placed;
  /** What the last turn looked at, and what it came to. */
  readonly world: World;
  readonly health: Health;
  readonly view: ClusterView;
  /** Rises with everything that a turn should look at soon. */
  readonly stirs: number;
}

/** A master begins: it knows the catalog and has heard nobody. */
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
    strangersUntilMs: settings.restored === true ? strangersUntil(nowMs) : Number.NEGATIVE_INFINITY,
    rid: new Map(),
    knownSinceMs: new Map(),
    inFlight: new Map(),
    merges: new Map(),
    loops,
    departures: new Map(),
    placed: NO_PLACEMENT,
    stirs: 0,
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

/** What a view says of who made it. */
export function leaderOf(
  catalog: CatalogState,
  { term }: ControlSettings,
): Pick<ClusterView, 'epoch' | 'term'> {
  return { epoch: epochOf(catalog), term };
}

/** The world as of `nowMs`, and the placement in it, which is remembered while nothing changes it. */
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
    lingering: lingeringOf(
      state.departures,
      facts.leavingNames,
      nowMs,
      settings.retireDelayMs,
      (revision) => isAppliedByAll(state, revision),
    ),
    draining: facts.draining,
    loading: facts.loading,
    expected: expectedOf(state.merges),
    late: lateNodes(state, leaderOf(state.catalog, settings), nowMs),
    awaitsStrangers: nowMs < state.strangersUntilMs,
  };
  const placed = placeOwners(state.placed, base);
  return { world: { ...base, owners: placed.owners }, placed };
}

/** Whether every serving node has the view of this revision, or a later one. */
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
