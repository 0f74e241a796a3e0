// Many seeds, one after the other. A seed that fails is told, so that it can be run again alone:
//
//   STELE_TEST_SEED=303 STELE_SIMULATION_SEEDS=1 npm run test:simulation

import { simulate } from './simulation.ts';
import type { SimulationResult } from './simulation.ts';

const SEEDS_DEFAULT = 2_000;

/** How many seeds the whole run has, and the first of them. */
function seedsWanted(): { readonly first: number; readonly count: number } {
  const first = Number(process.env['STELE_TEST_SEED'] ?? 1);
  return { first, count: Number(process.env['STELE_SIMULATION_SEEDS'] ?? SEEDS_DEFAULT) };
}

export interface SeedsResult {
  /** `seed 303: what was violated` */
  readonly failures: readonly string[];
  readonly events: number;
  readonly commits: number;
  readonly reads: SimulationResult['reads'];
  readonly healedMsMax: number;
}

export function runSeeds(first: number, count: number): SeedsResult {
  const failures: string[] = [];
  const reads = { OK: 0, NOT_FOUND: 0, UNAVAILABLE: 0 };
  let events = 0;
  let commits = 0;
  let healedMsMax = 0;
  for (let seed = first; seed < first + count; seed++) {
    const result = simulate(seed);
    if (result.violation !== '') failures.push(`seed ${seed}: ${result.violation}`);
    events += result.events;
    commits += result.commits;
    healedMsMax = Math.max(healedMsMax, result.healedAfterMs);
    for (const status of ['OK', 'NOT_FOUND', 'UNAVAILABLE'] as const) {
      reads[status] += result.reads[status];
    }
  }
  return { failures, events, commits, reads, healedMsMax };
}

/** One of two halves, so that two processors have something to do. */
export function runHalf(half: 0 | 1): SeedsResult {
  const { count, first } = seedsWanted();
  const middle = Math.ceil(count / 2);
  const result = half === 0 ? runSeeds(first, middle) : runSeeds(first + middle, count - middle);
  const { commits, events, healedMsMax, reads } = result;
  const seeds = half === 0 ? middle : count - middle;
  console.log(
    `  ${seeds} seeds from ${half === 0 ? first : first + middle}: ${events} events, ${commits} commits, ` +
      `${reads.OK} reads answered, ${reads.UNAVAILABLE} unavailable, healed within ${healedMsMax / 1000} s`,
  );
  return result;
}
