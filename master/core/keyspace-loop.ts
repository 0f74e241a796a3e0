// One control loop a keyspace: where it is on the way to what is desired of it. Pure.
//
//   INITIALIZING --first commit--> RUNNING ----suspend----> SUSPENDING --all freed--> SUSPENDED
//        ^  |                         ^                                                  |
//        |  +--every shard served-----+                                                  |
//        +---------------------------------------resume----------------------------------+
//   any --drop--> DELETING --no node has anything of it--> (no record)
//
// A loop that cannot go on for its phase's grace is REPAIRING: it keeps the phase it is in, tells the
// error, and tries again by the policy of that phase. That is the one place of retries of a keyspace
// as a whole; when the error is gone, the loop is in its phase again, by itself.
//
// Invariants: what is desired (KeyspaceRecord) is read and never written here; a loop looks at its
// own keyspace alone, so one that hangs holds up no other; absence of a node deletes nothing.

import type { KeyspacePhase, KeyspaceRecord, ObservedRecord } from '../catalog/records.ts';
import { isServing } from './membership.ts';
import { currentPosition, unansweredShards } from './readiness.ts';
import { servingOf } from './serving.ts';
import { isParked } from './world.ts';
import type { World } from './world.ts';

export interface KeyspaceLoop {
  readonly phase: KeyspacePhase;
  /** INITIALIZING on the way back from SUSPENDED: readers are refused until every shard is served. */
  readonly resuming: boolean;
  /** Monotonic; since when it could not go on. Undefined: it can. */
  readonly stuckSinceMs: number | undefined;
  /** Not empty: REPAIRING. */
  readonly error: string;
  readonly attempts: number;
  readonly retryAtMs: number;
}

export type KeyspaceLoops = ReadonlyMap<string, KeyspaceLoop>;

interface RetryPolicy {
  readonly graceMs: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** After so many it asks for a person, and goes on trying. */
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

/** What a loop looks at beside the world. */
export interface LoopFacts {
  /** All keyspaces of the catalog, those being deleted included. */
  readonly keyspaces: readonly KeyspaceRecord[];
  /** By uid: why copies of it fail again and again. */
  readonly failingCopies: ReadonlyMap<string, string>;
}

export interface LoopStep {
  readonly loops: KeyspaceLoops;
  /** Uids whose work is to be tried again now. */
  readonly retries: readonly string[];
  /** What single loops threw; the others are stepped all the same. */
  readonly faults: readonly { readonly part: string; readonly thrown: unknown }[];
}

/** The loop as a master begins with it, from what the last one noted. */
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

/** `begun` gives the loop of a keyspace that is new here. */
export function stepLoops(
  world: World,
  before: KeyspaceLoops,
  facts: LoopFacts,
  begun: (keyspace: KeyspaceRecord) => KeyspaceLoop,
): LoopStep {
  const loops = new Map<string, KeyspaceLoop>();
  const retries: string[] = [];
  const faults: { part: string; thrown: unknown }[] = [];
  for (const keyspace of facts.keyspaces) {
    const was = before.get(keyspace.uid) ?? begun(keyspace);
    const loop = stepSafely(world, was, keyspace, facts, faults);
    if (loop.attempts > was.attempts) retries.push(keyspace.uid);
    loops.set(keyspace.uid, loop);
  }
  return { loops, retries, faults };
}

/** A loop that throws is REPAIRING with what it threw. */
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
    // Once an attempt: a loop that throws in each turn would fill the log.
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

/** Ids of serving nodes that have something of the keyspace in memory, as far as they have said. */
function nodesInMemory(world: World, uid: string): string[] {
  return [...world.nodes.values()]
    .filter((node) => isServing(node) && !isParked(node, uid))
    .filter(({ id }) => world.holdings.get(id)?.segments.has(uid) === true)
    .map(({ id }) => id);
}

/** As far as it is suspended, or on its way back. */
function unheldShards(world: World, uid: string): readonly number[] {
  return servingOf(world).unheld[currentPosition(world, uid)] ?? [];
}

/** Why the loop cannot go on; undefined where it can, or only needs time. */
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

/** Reading a large keyspace back takes its time; that is no trouble. */
function troubleOfResume(world: World, uid: string): string | undefined {
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

function troubleOfDelete(world: World, uid: string): string | undefined {
  const silent = [...world.nodes.values()].filter((node) => !isServing(node)).map(({ id }) => id);
  if (silent.length > 0) return `not known to be rid of it, because silent: ${list(silent)}`;
  const holders = [...world.holdings].filter(([, holdings]) => holdings.segments.has(uid));
  if (holders.length === 0) return undefined;
  return `not rid of its files yet: ${list(holders.map(([id]) => id))}`;
}

function list(names: readonly (string | number)[]): string {
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : '';
  return names.slice(0, NAMED_MAX).join(', ') + more;
}

/** The loop as it is noted in the catalog; `nowIso` is for people. */
export function observedOf(
  uid: string,
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
 * Whether the catalog need not be told: it knows, or there is nothing to know but what the keyspace's
 * own record says. The wording of an error alone is not worth a write.
 */
export function isNoted(observed: ObservedRecord | undefined, loop: KeyspaceLoop): boolean {
  const isUsual = loop.phase !== 'SUSPENDING' && loop.phase !== 'SUSPENDED' && !loop.resuming;
  if (observed === undefined) return loop.error === '' && isUsual;
  const { repairing, state } = observed;
  if (loop.error === '') return state === loop.phase;
  return repairing?.from === loop.phase && repairing.attempts === loop.attempts;
}

/** Uids of keyspaces that are desired and not served yet: readers are refused for so long. */
export function resumingOf(
  keyspaces: readonly KeyspaceRecord[],
  loops: KeyspaceLoops,
): ReadonlySet<string> {
  const resuming = keyspaces.filter(({ desired, state, uid }) => {
    const loop = loops.get(uid);
    if (loop === undefined || desired.suspended === true || state === 'DELETING') return false;
    return loop.resuming || loop.phase === 'SUSPENDING' || loop.phase === 'SUSPENDED';
  });
  return new Set(resuming.map(({ uid }) => uid));
}
