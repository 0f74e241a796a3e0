// A turn of the control plane: evaluates the whole state and derives the orders. Pure.
//
//   what is desired (catalog, ring) - what is reported (nodes, holdings) = orders
//
// Events only update the known state. A turn then evaluates all of it at once, so that a burst of
// events costs one computation. The next turn finds whatever an order did not achieve. So an order
// may be lost, duplicated or late, and nothing waits for its answer.
//
// Invariants: a view that differs from the one before has a higher revision; a view that no longer
// names a version is published before anything of that version is dropped.

import type { KeyspaceUid } from '../../base/ids.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { ObservedRecord } from '../catalog/records.ts';
import { finishedCleanup, planCleanup } from './plans/cleanup.ts';
import type { DropPlan } from './plans/cleanup.ts';
import { buildWorld, leaderOf } from './control-state.ts';
import type { ControlSettings, ControlState } from './control-state.ts';
import { follow } from './serving/coverage.ts';
import { noteDepartures } from './world/departures.ts';
import { computeHealth } from './serving/health.ts';
import { beginLoop, isNoted, observedOf, resumingOf, stepLoops } from './plans/keyspace-loop.ts';
import type { NodeStatus } from './world/membership.ts';
import { expectedOf, planMerges } from './plans/merge.ts';
import type { MergePlan } from './plans/merge.ts';
import { isSettled } from './serving/readiness.ts';
import { failingCopies, planRepair, retryNow } from './plans/repair.ts';
import type { Copy } from './plans/repair.ts';
import { buildView } from './serving/routes.ts';
import { followWorld } from './serving/serving.ts';
import { noteTierChanges } from './world/tier-moves.ts';
import { noteLagging } from './world/view-lag.ts';
import type { Leaving, World } from './world/world.ts';

export interface ControlOrders {
  /** A new view to distribute; undefined if nothing has changed. */
  readonly view: ClusterView | undefined;
  readonly copies: readonly Copy[];
  readonly drops: readonly DropPlan[];
  readonly merging: Pick<MergePlan, 'asks' | 'copies' | 'ready'>;
  /** Records of the catalog to remove: no known node has any data of them. */
  readonly forget: {
    readonly versions: readonly Leaving[];
    readonly keyspaces: readonly KeyspaceUid[];
  };
  /** Observed states of keyspaces that the catalog does not have yet. */
  readonly observed: readonly ObservedRecord[];
  /** True if nodes are to get the view again, which makes them retry what failed. */
  readonly resync: boolean;
  /** Number of segments of keyspaces that the catalog does not know. They are left alone. */
  readonly unknownSegments: number;
  /** Parts of the turn that threw. A later turn makes up for their orders. */
  readonly faults: readonly TurnFault[];
}

interface TurnFault {
  readonly part: string;
  readonly thrown: unknown;
}

const NO_CLEANING: ReturnType<typeof clean> = {
  drops: [],
  forget: { versions: [], keyspaces: [] },
  unknownSegments: 0,
};

export interface ControlTurn {
  readonly state: ControlState;
  readonly orders: ControlOrders;
}

/**
 * Evaluates the state. `isoAt(aheadMs)` gives a wall time for people; no decision depends on it.
 */
export function takeTurn(
  before: ControlState,
  nowMs: number,
  settings: ControlSettings,
  isoAt: (aheadMs: number) => string,
): ControlTurn {
  const looked = look(before, nowMs, settings);
  const stepped = stepKeyspaces(looked, isoAt);
  const { state } = stepped;
  const { world } = state;
  const faults: TurnFault[] = [...stepped.faults];
  const attempt = <Plan>(part: string, plan: () => Plan, otherwise: Plan): Plan => {
    try {
      return plan();
    } catch (thrown) {
      faults.push({ part, thrown });
      return otherwise;
    }
  };
  const { inFlight } = state;
  const noRepair = { orders: [], inFlight, missing: 0 };
  const repair = attempt(
    'plan repair',
    () => planRepair(world, inFlight, settings.repair),
    noRepair,
  );
  const noMerges = { merges: state.merges, asks: new Map(), copies: [], ready: [] };
  const merging = attempt('plan merges', () => planMerges(world, state.merges), noMerges);
  // The result of a merge that starts now must not count as garbage.
  const expected = expecting(world, expectedOf(merging.merges));
  const cleaning = attempt('plan cleaning', () => clean(state, expected), NO_CLEANING);
  return {
    state: { ...state, inFlight: repair.inFlight, merges: merging.merges },
    orders: {
      view: state.view === before.view ? undefined : state.view,
      copies: repair.orders,
      merging,
      observed: stepped.observed,
      resync: stepped.resync,
      faults,
      ...cleaning,
    },
  };
}

/** Computes world, health and view at `nowMs`. */
function look(before: ControlState, nowMs: number, settings: ControlSettings): ControlState {
  const { placed, world } = buildWorld(before, settings, nowMs);
  followWorld(before.world, world);
  const health = computeHealth(world);
  // Once settled, it stays settled: a node that joins later does not undo it.
  const waitUntilMs = before.startedMs + settings.membership.repairDelayMs;
  const settled = before.view.settled === true || isSettled(world, waitUntilMs);
  const about = { ...leaderOf(before.catalog, settings), settled };
  const next = buildView(world, health, before.facts.keyspaces, about, before.view);
  const view = newerView(before.view, next);
  const { leavingNames } = before.facts;
  const departures = noteDepartures(before.departures, leavingNames, nowMs, view.revision);
  const tierChanges = noteTierChanges(before.tierChanges, before.view, view);
  const behind = noteLagging(before.behind, before, view.revision, nowMs);
  const { knownSinceMs } = world;
  const noted = { departures, behind, tierChanges, knownSinceMs };
  return { ...before, placed, world, health, view, ...noted };
}

function expecting(world: World, expected: World['expected']): World {
  if (expected.size === 0 && world.expected.size === 0) return world;
  const next = { ...world, expected };
  follow(world, next);
  return next;
}

/** Numbers `next`, whose revision is not set yet. */
function newerView(before: ClusterView, next: ClusterView): ClusterView {
  const { revision } = before;
  return isSame(before, { ...next, revision }) ? before : { ...next, revision: revision + 1 };
}

/**
 * Deep equality of messages, that is, of fields, lists and bytes. Identical values are not
 * descended into.
 */
function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    for (let at = 0; at < left.length; at++) if (!isSame(left[at], right[at])) return false;
    return true;
  }
  if (left instanceof Uint8Array) {
    return right instanceof Uint8Array && Buffer.compare(left, right) === 0;
  }
  if (!isMessage(left) || !isMessage(right)) return false;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  for (const name of names) if (!isSame(left[name], right[name])) return false;
  return true;
}

function isMessage(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function stepKeyspaces(
  state: ControlState,
  isoAt: (aheadMs: number) => string,
): {
  readonly state: ControlState;
  readonly observed: readonly ObservedRecord[];
  readonly resync: boolean;
  readonly faults: readonly TurnFault[];
} {
  const { catalog, facts, world } = state;
  const input = { keyspaces: facts.records, failingCopies: failingCopies(state.inFlight) };
  const { faults, loops, retries } = stepLoops(world, state.loops, input, (keyspace) =>
    beginLoop(keyspace, catalog.observed.get(keyspace.uid), world.nowMs),
  );
  const observed = [...loops].flatMap(([uid, loop]) =>
    isNoted(catalog.observed.get(uid), loop) ? [] : [observedOf(uid, loop, world.nowMs, isoAt)],
  );
  const isWoken = resumingOf(facts.records, loops).size < world.resuming.size;
  const inFlight = retryNow(state.inFlight, retries, world.nowMs);
  const changeCounter = state.changeCounter + (isWoken ? 1 : 0);
  const next = { ...state, loops, inFlight, changeCounter };
  return { state: next, observed, resync: retries.length > 0, faults };
}

function clean(
  state: ControlState,
  world: World,
): Pick<ControlOrders, 'drops' | 'forget' | 'unknownSegments'> {
  const isRid = (node: NodeStatus, { ref }: Leaving): boolean =>
    state.droppedByNode.get(node.id)?.has(ref) === true;
  const { drops, unknownSegments } = planCleanup(world, isRid);
  return { drops, unknownSegments, forget: finishedCleanup(world, isRid) };
}
