// Runs many seeds, one after the other: a fixed set, and new ones in every run. For each seed that
// fails it prints the command that repeats this seed alone:
//
//   STELE_TEST_SEED=303 STELE_SIMULATION_SEEDS=1 npm run test:simulation -- seeds/one
//   STELE_TEST_SEED=303 STELE_SIMULATION_SEEDS=1 npm run test:simulation -- seeds/several
//   STELE_TEST_SEED=303 STELE_SIMULATION_SEEDS=1 npm run test:simulation -- seeds/deep-store

import { expect } from 'vitest';
import type { Defect } from './chaos/defects.ts';
import { simulate } from './simulation.ts';
import type { Setting, SimulationResult } from './simulation.ts';

/** One master or several; with a deep store, one for odd seeds and several for even ones. */
export type Kind = 'one' | 'several' | 'deep-store';

function settingOf(kind: Kind, seed: number): Setting {
  if (kind !== 'deep-store') return { masters: kind };
  return { masters: seed % 2 === 0 ? 'several' : 'one', hasDeepStore: true };
}

/** STELE_SIMULATION=short: a form that is fast enough for every change. */
const SHORT = process.env['STELE_SIMULATION'] === 'short';
/** Of each half, in every run. */
const FIXED: Readonly<Record<Kind, number>> = SHORT
  ? { one: 8, several: 4, 'deep-store': 4 }
  : { one: 20, several: 9, 'deep-store': 12 };
/** Of each half, in every run as well: seeds that have found a defect, which is repaired since. */
const ONCE_FAILED: Readonly<Record<Kind, readonly (readonly number[])[]>> = {
  one: [
    [5_137, 31_294],
    [5_207, 5_360, 31_230],
  ],
  several: [[], []],
  'deep-store': [[], []],
};
/** Of each half; other ones in every run. */
const FRESH: Readonly<Record<Kind, number>> = SHORT
  ? { one: 4, several: 2, 'deep-store': 2 }
  : { one: 10, several: 4, 'deep-store': 6 };
/** Above all fixed ones. */
const FRESH_FROM = 1_000;
const FRESH_TO = 2 ** 31;

/** Whether somebody repeats a run. */
export const isRepeated = process.env['STELE_TEST_SEED'] !== undefined;

const range = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);

/** What one of two halves runs, so that two processors have something to do. */
function setsOf(half: 0 | 1, kind: Kind): (readonly number[])[] {
  if (isRepeated) {
    const first = Number(process.env['STELE_TEST_SEED']);
    const count = Number(process.env['STELE_SIMULATION_SEEDS'] ?? 1);
    const own = Math.ceil(count / 2);
    return [half === 0 ? range(first, own) : range(first + own, count - own)];
  }
  const fresh = FRESH_FROM + Math.floor(Math.random() * (FRESH_TO - FRESH_FROM));
  const fixed = range(1 + half * FIXED[kind], FIXED[kind]);
  return [[...fixed, ...(ONCE_FAILED[kind][half] ?? [])], range(fresh, FRESH[kind])];
}

interface SeedsResult {
  /** What was violated, and how that is repeated. */
  readonly failures: readonly string[];
  readonly commits: number;
  readonly merges: number;
  readonly takeOvers: number;
  readonly reads: SimulationResult['reads'];
}

async function runSeeds(seeds: readonly number[], kind: Kind): Promise<SeedsResult> {
  const failures: string[] = [];
  const reads = { OK: 0, NOT_FOUND: 0, UNAVAILABLE: 0 };
  let events = 0;
  let commits = 0;
  let merges = 0;
  let takeOvers = 0;
  let healedMsMax = 0;
  for (const seed of seeds) {
    const result = await simulate(seed, settingOf(kind, seed));
    if (result.violation !== '') {
      const repeat = `STELE_TEST_SEED=${seed} STELE_SIMULATION_SEEDS=1 npm run test:simulation -- seeds/${kind}`;
      failures.push(`seed ${seed}: ${result.violation}; ${repeat}`);
      console.log(failures.at(-1));
    }
    events += result.events;
    commits += result.commits;
    merges += result.merges;
    takeOvers += result.takeOvers;
    healedMsMax = Math.max(healedMsMax, result.healedAfterMs);
    for (const status of ['OK', 'NOT_FOUND', 'UNAVAILABLE'] as const) {
      reads[status] += result.reads[status];
    }
  }
  console.log(
    `  ${seeds.length} seeds from ${seeds[0]}: ${events} events, ${commits} commits, ${merges} merges, ` +
      `${reads.OK} reads answered, ${reads.UNAVAILABLE} unavailable, healed within ${healedMsMax / 1000} s` +
      (takeOvers === 0 ? '' : `, ${takeOvers} terms of leaders`),
  );
  return { failures, commits, merges, reads, takeOvers };
}

/** Runs one half of the seeds: every invariant holds after every event, and all of them heal. */
export async function expectHalfHolds(half: 0 | 1, kind: Kind): Promise<void> {
  const sets = setsOf(half, kind);
  const results: SeedsResult[] = [];
  for (const seeds of sets) results.push(await runSeeds(seeds, kind));
  // As one text, which is printed whole.
  expect(results.flatMap(({ failures }) => failures).join('\n')).toBe('');
  if (isRepeated) return;
  // Work was done in the cluster, and it was read all the time. Of a few new seeds alone that is
  // not certain.
  const count = sets.flat().length;
  const sum = (of: (result: SeedsResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  expect(sum(({ merges }) => merges)).toBeGreaterThan(0);
  expect(sum(({ commits }) => commits)).toBeGreaterThan(2 * count);
  expect(sum(({ reads }) => reads.OK)).toBeGreaterThan(50 * count);
  if (kind === 'several') {
    expect(sum(({ takeOvers }) => takeOvers)).toBeGreaterThan(count);
  }
}

/**
 * Plants the defect in one seed after the other, of 1 to `seedsMax`, until it is found. Begins with
 * `first`, where it was found last time.
 */
export async function expectFound(
  setting: Omit<Setting, 'defect'>,
  defect: Defect,
  first: number,
  seedsMax: number,
  expected: RegExp,
): Promise<void> {
  for (let tried = 0; tried < seedsMax; tried++) {
    const seed = 1 + ((first - 1 + tried) % seedsMax);
    const { violation } = await simulate(seed, { ...setting, defect });
    if (violation === '') continue;
    console.log(`  ${defect}: seed ${seed}`);
    expect(violation).toMatch(expected);
    return;
  }
  expect.fail(`not noticed in ${seedsMax} seeds`);
}
