// A turn of the control plane: one look at everything, and what is to be done. Pure.
//
//   what is desired (catalog, ring) - what is reported (nodes, holdings) = orders
//
// Events only change what is known; a turn then looks at all of it at once, so that a burst of events
// costs one computation. What a turn orders is carried out, or not: the next turn sees what is
// still missing. So an order may be lost, doubled or late, and nothing waits for its answer.
//
// Invariants: a view that differs from the one before has a higher revision; a view in which a version
// is no longer named is published before anything of that version is dropped.

import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { ObservedRecord } from '../catalog/records.ts';
import { finishedCleanup, planCleanup } from './cleanup.ts';
import type { DropPlan } from './cleanup.ts';
import { buildWorld, leaderOf } from './control-state.ts';
import type { ControlSettings, ControlState } from './control-state.ts';
import { follow } from './coverage.ts';
import { noteDepartures } from './departures.ts';
import { computeHealth } from './health.ts';
import { beginLoop, isNoted, observedOf, resumingOf, stepLoops } from './keyspace-loop.ts';
import type { NodeStatus } from './membership.ts';
import { expectedOf, planMerges } from './merge.ts';
import type { MergePlan } from './merge.ts';
import { isSettled } from './readiness.ts';
import { failingCopies, planRepair, retryNow } from './repair.ts';
import type { Copy } from './repair.ts';
import { buildView } from './routes.ts';
import { followWorld } from './serving.ts';
import { noteBehind } from './view-lag.ts';
import type { Leaving, World } from './world.ts';

export interface ControlOrders {
  /** A new view, to be given to everybody. */
  readonly view: ClusterView | undefined;
  readonly copies: readonly Copy[];
  readonly drops: readonly DropPlan[];
  readonly merging: Pick<MergePlan, 'asks' | 'copies' | 'ready'>;
  /** Records of the catalog that are to go: no known node has anything of them. */
  readonly forget: {
    readonly versions: readonly Leaving[];
    readonly keyspaces: readonly string[];
  };
  /** What the keyspaces' loops have found, where the catalog does not know it. */
  readonly observed: readonly ObservedRecord[];
  /** Nodes are to be given the view once more: with it they try again what they could not do. */
  readonly resync: boolean;
  /** Segments of keyspaces that the catalog does not know; they are left alone. */
  readonly unknownSegments: number;
  /** Parts of the turn that threw; what they would have ordered is left to a later turn. */
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

/** `isoAt(aheadMs)` says a wall time for people; it decides nothing. */
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
  // What is being merged to from now on must not count as garbage.
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

/** World, health and view as of now. */
function look(before: ControlState, nowMs: number, settings: ControlSettings): ControlState {
  const { placed, world } = buildWorld(before, settings, nowMs);
  followWorld(before.world, world);
  const health = computeHealth(world);
  // Once settled, for good: a node that joins later takes nothing away.
  const waitUntilMs = before.startedMs + settings.membership.repairDelayMs;
  const settled = before.view.settled === true || isSettled(world, waitUntilMs);
  const about = { ...leaderOf(before.catalog, settings), settled };
  const next = buildView(world, health, before.facts.keyspaces, about, before.view);
  const view = newerView(before.view, next);
  const { leavingNames } = before.facts;
  const departures = noteDepartures(before.departures, leavingNames, nowMs, view.revision);
  const behind = noteBehind(before.behind, before, view.revision, nowMs);
  const { knownSinceMs } = world;
  return { ...before, placed, world, health, view, departures, behind, knownSinceMs };
}

function expecting(world: World, expected: ReadonlySet<string>): World {
  if (expected.size === 0 && world.expected.size === 0) return world;
  const next = { ...world, expected };
  follow(world, next);
  return next;
}

/** `next` has no revision yet. */
function newerView(before: ClusterView, next: ClusterView): ClusterView {
  const { revision } = before;
  return isSame(before, { ...next, revision }) ? before : { ...next, revision: revision + 1 };
}

/** Of messages: fields and lists all the way down. What is the same value is not looked into. */
function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    if (!Array.isArray(right) || left.length !== right.length) return false;
    for (let at = 0; at < left.length; at++) if (!isSame(left[at], right[at])) return false;
    return true;
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
  const stirs = state.stirs + (isWoken ? 1 : 0);
  const next = { ...state, loops, inFlight, stirs };
  return { state: next, observed, resync: retries.length > 0, faults };
}

function clean(
  state: ControlState,
  world: World,
): Pick<ControlOrders, 'drops' | 'forget' | 'unknownSegments'> {
  const isRid = (node: NodeStatus, { ref }: Leaving): boolean =>
    state.rid.get(node.id)?.has(ref) === true;
  const { drops, unknownSegments } = planCleanup(world, isRid);
  return { drops, unknownSegments, forget: finishedCleanup(world, isRid) };
}
