// One control loop per keyspace: its progress towards the desired state. Pure.
//
//   INITIALIZING --first commit--> RUNNING ----suspend----> SUSPENDING --all freed--> SUSPENDED
//        ^  |                         ^                                                  |
//        |  +--every shard served-----+                                                  |
//        +---------------------------------------resume----------------------------------+
//   any --drop--> DELETING --no node has anything of it--> (no record)
//
// A loop without progress for the grace period of its phase is REPAIRING: it keeps its phase,
// reports the error, and retries by the policy of that phase. This is the one place that retries
// for a keyspace as a whole. When the error is gone, the loop returns to its phase by itself.
//
// Invariants: the desired state (KeyspaceRecord) is read and never written here; a loop depends on
// its own keyspace alone, so that one that hangs does not delay another; absence of a node deletes
// nothing.

import type { KeyspaceUid } from '../../../base/ids.ts';
import { listNames } from '../../../base/ids.ts';
import type { KeyspacePhase, KeyspaceRecord, ObservedRecord } from '../../catalog/records.ts';
import { isServing } from '../world/membership.ts';
import { currentPosition, unansweredShards } from '../serving/readiness.ts';
import { servingOf } from '../serving/serving.ts';
import { isParked } from '../world/world.ts';
import type { World } from '../world/world.ts';

export interface KeyspaceLoop {
  readonly phase: KeyspacePhase;
  /** True for INITIALIZING after SUSPENDED: readers are refused until every shard is served. */
  readonly resuming: boolean;
  /** Monotonic time since which there is no progress; undefined if there is. */
  readonly stuckSinceMs: number | undefined;
  /** Not empty: REPAIRING. */
  readonly error: string;
  readonly attempts: number;
  readonly retryAtMs: number;
}

export type KeyspaceLoops = ReadonlyMap<KeyspaceUid, KeyspaceLoop>;

interface RetryPolicy {
  readonly graceMs: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** Number of attempts after which it asks for a person. It continues to retry. */
  readonly attemptsMax: number;
}

const PROVISIONING: RetryPolicy = {
  graceMs: 10_000,
  firstMs: 1_000,
  factor: 2,
  maxMs: 60_000,
  attemptsMax: 10,
};

const POLICIES: Readonly<Record<KeyspacePhase, RetryPolicy>> = {
  INITIALIZING: PROVISIONING,
  SUSPENDING: PROVISIONING,
  SUSPENDED: PROVISIONING,
  DELETING: { ...PROVISIONING, graceMs: 60_000 },
  RUNNING: { graceMs: 5_000, firstMs: 5_000, factor: 1, maxMs: 5_000, attemptsMax: 60 },
};

const NAMED_MAX = 8;

/** The inputs of a loop beside the world. */
export interface LoopFacts {
  /** All keyspaces of the catalog, including those that are being deleted. */
  readonly keyspaces: readonly KeyspaceRecord[];
  /** By uid: the error of copies that fail repeatedly. */
  readonly failingCopies: ReadonlyMap<KeyspaceUid, string>;
}

export interface LoopStep {
  readonly loops: KeyspaceLoops;
  /** Uids of keyspaces whose failed work is to be retried now. */
  readonly retries: readonly KeyspaceUid[];
  /** Errors of single loops; the other loops are stepped regardless. */
  readonly faults: readonly { readonly part: string; readonly thrown: unknown }[];
}

/** The initial loop of a master, from the record of the last one. */
export function beginLoop(
  keyspace: KeyspaceRecord,
  observed: ObservedRecord | undefined,
  nowMs: number,
): KeyspaceLoop {
  const repairing = observed?.repairing;
  const noted = repairing?.from ?? (observed?.state === 'REPAIRING' ? undefined : observed?.state);
  const phase = noted ?? (keyspace.desired.currentVersion === 0 ? 'INITIALIZING' : 'RUNNING');
  const attempts = repairing?.attempts ?? 0;
  return {
    phase,
    resuming: phase === 'INITIALIZING' && keyspace.desired.currentVersion > 0,
    stuckSinceMs: repairing === undefined ? undefined : nowMs,
    error: repairing?.error ?? '',
    attempts,
    retryAtMs: nowMs + pauseMs(POLICIES[phase], attempts),
  };
}

/** Steps all loops. `begun` creates the loop of a keyspace that is new here. */
export function stepLoops(
  world: World,
  before: KeyspaceLoops,
  facts: LoopFacts,
  begun: (keyspace: KeyspaceRecord) => KeyspaceLoop,
): LoopStep {
  const loops = new Map<KeyspaceUid, KeyspaceLoop>();
  const retries: KeyspaceUid[] = [];
  const faults: { part: string; thrown: unknown }[] = [];
  for (const keyspace of facts.keyspaces) {
    const was = before.get(keyspace.uid) ?? begun(keyspace);
    const loop = stepSafely(world, was, keyspace, facts, faults);
    if (loop.attempts > was.attempts) retries.push(keyspace.uid);
    loops.set(keyspace.uid, loop);
  }
  return { loops, retries, faults };
}

/** Steps one loop. If it throws, it is REPAIRING with that error. */
function stepSafely(
  world: World,
  was: KeyspaceLoop,
  keyspace: KeyspaceRecord,
  facts: LoopFacts,
  faults: { part: string; thrown: unknown }[],
): KeyspaceLoop {
  try {
    const { phase, resuming } = nextPhase(world, was, keyspace);
    return stepLoop(
      world,
      was,
      phase,
      resuming,
      troubleOf(world, phase, resuming, keyspace, facts),
    );
  } catch (thrown) {
    const loop = stepLoop(
      world,
      was,
      was.phase,
      was.resuming,
      `an internal error: ${String(thrown)}`,
    );
    // Reported once per attempt: a loop that throws in each turn would fill the log.
    if (loop.attempts > was.attempts || was.stuckSinceMs === undefined) {
      faults.push({ part: `keyspace ${keyspace.name}`, thrown });
    }
    return loop;
  }
}

function stepLoop(
  world: World,
  was: KeyspaceLoop,
  phase: KeyspacePhase,
  resuming: boolean,
  trouble: string | undefined,
): KeyspaceLoop {
  const calm = { phase, resuming, stuckSinceMs: undefined, error: '', attempts: 0, retryAtMs: 0 };
  if (trouble === undefined) return calm;
  if (phase !== was.phase) return { ...calm, stuckSinceMs: world.nowMs };
  const policy = POLICIES[phase];
  const stuckSinceMs = was.stuckSinceMs ?? world.nowMs;
  const isRepairing = was.error !== '';
  const dueAtMs = isRepairing ? was.retryAtMs : stuckSinceMs + policy.graceMs;
  if (world.nowMs < dueAtMs) {
    return { ...was, resuming, stuckSinceMs, error: isRepairing ? trouble : '' };
  }
  const attempts = was.attempts + 1;
  const retryAtMs = world.nowMs + pauseMs(policy, attempts);
  return { phase, resuming, stuckSinceMs, error: trouble, attempts, retryAtMs };
}

function pauseMs({ factor, firstMs, maxMs }: RetryPolicy, attempts: number): number {
  return Math.min(maxMs, firstMs * factor ** Math.max(0, attempts - 1));
}

function nextPhase(
  world: World,
  was: KeyspaceLoop,
  { desired, state, uid }: KeyspaceRecord,
): Pick<KeyspaceLoop, 'phase' | 'resuming'> {
  if (state === 'DELETING') return { phase: 'DELETING', resuming: false };
  if (desired.currentVersion === 0) return { phase: 'INITIALIZING', resuming: false };
  if (desired.suspended === true) {
    const isFreed = nodesInMemory(world, uid).length === 0;
    return { phase: isFreed ? 'SUSPENDED' : 'SUSPENDING', resuming: false };
  }
  const resuming = was.resuming || was.phase === 'SUSPENDING' || was.phase === 'SUSPENDED';
  if (resuming && unansweredShards(world, uid).length > 0) {
    return { phase: 'INITIALIZING', resuming: true };
  }
  return { phase: 'RUNNING', resuming: false };
}

/** Ids of serving nodes that have data of the keyspace in memory, according to their reports. */
function nodesInMemory(world: World, uid: KeyspaceUid): string[] {
  return [...world.nodes.values()]
    .filter((node) => isServing(node) && !isParked(node, uid))
    .filter(({ id }) => world.holdings.get(id)?.segments.has(uid) === true)
    .map(({ id }) => id);
}

/** Shards without a verified copy; empty unless the keyspace is suspended or resuming. */
function unheldShards(world: World, uid: KeyspaceUid): readonly number[] {
  return servingOf(world).unheld[currentPosition(world, uid)] ?? [];
}

/** The error that prevents progress; undefined if there is none or it only needs time. */
function troubleOf(
  world: World,
  phase: KeyspacePhase,
  resuming: boolean,
  { uid }: KeyspaceRecord,
  { failingCopies }: LoopFacts,
): string | undefined {
  switch (phase) {
    case 'INITIALIZING':
      return resuming ? troubleOfResume(world, uid) : undefined;
    case 'RUNNING':
      return unserved(unansweredShards(world, uid)) ?? failingCopies.get(uid);
    case 'SUSPENDING':
      return `${list(nodesInMemory(world, uid))}: its memory is not freed yet`;
    case 'SUSPENDED':
      return failingCopies.get(uid);
    case 'DELETING':
      return troubleOfDelete(world, uid);
  }
}

/**
 * The error that prevents a resume. Reading a large keyspace back takes time; that is not an error.
 */
function troubleOfResume(world: World, uid: KeyspaceUid): string | undefined {
  for (const { id, report } of world.nodes.values()) {
    const failure = report?.parked?.failures.find(({ keyspaceUid }) => keyspaceUid === uid);
    if (failure !== undefined) return `datanode ${id}: ${failure.reason}`;
  }
  return unserved(unheldShards(world, uid));
}

function unserved(shards: readonly number[]): string | undefined {
  if (shards.length === 0) return undefined;
  return `no datanode that serves has shard${shards.length === 1 ? '' : 's'} ${list(shards)}`;
}

function troubleOfDelete(world: World, uid: KeyspaceUid): string | undefined {
  const silent = [...world.nodes.values()].filter((node) => !isServing(node)).map(({ id }) => id);
  if (silent.length > 0) return `not known to be rid of it, because silent: ${list(silent)}`;
  const holders = [...world.holdings].filter(([, holdings]) => holdings.segments.has(uid));
  if (holders.length === 0) return undefined;
  return `not rid of its files yet: ${list(holders.map(([id]) => id))}`;
}

function list(names: readonly (string | number)[]): string {
  return listNames(names, NAMED_MAX);
}

/** The loop as recorded in the catalog; `nowIso` is for people. */
export function observedOf(
  uid: KeyspaceUid,
  loop: KeyspaceLoop,
  nowMs: number,
  isoAt: (fromNowMs: number) => string,
): ObservedRecord {
  const { attempts, error, phase } = loop;
  if (error === '') return { uid, state: phase };
  return {
    uid,
    state: 'REPAIRING',
    repairing: {
      from: phase,
      error,
      attempts,
      nextRetryAt: isoAt(Math.max(0, loop.retryAtMs - nowMs)),
      needsPerson: attempts >= POLICIES[phase].attemptsMax,
    },
  };
}

/**
 * Whether the catalog has this state already, or the keyspace's own record says as much. A change
 * in the wording of an error alone is not worth a write.
 */
export function isNoted(observed: ObservedRecord | undefined, loop: KeyspaceLoop): boolean {
  const isUsual = loop.phase !== 'SUSPENDING' && loop.phase !== 'SUSPENDED' && !loop.resuming;
  if (observed === undefined) return loop.error === '' && isUsual;
  const { repairing, state } = observed;
  if (loop.error === '') return state === loop.phase;
  return repairing?.from === loop.phase && repairing.attempts === loop.attempts;
}

/**
 * Uids of keyspaces that are being resumed: reads are refused until every shard has a serving
 * replica.
 */
export function resumingOf(
  keyspaces: readonly KeyspaceRecord[],
  loops: KeyspaceLoops,
): ReadonlySet<KeyspaceUid> {
  const resuming = keyspaces.filter(({ desired, state, uid }) => {
    const loop = loops.get(uid);
    if (loop === undefined || desired.suspended === true || state === 'DELETING') return false;
    return loop.resuming || loop.phase === 'SUSPENDING' || loop.phase === 'SUSPENDED';
  });
  return new Set(resuming.map(({ uid }) => uid));
}
