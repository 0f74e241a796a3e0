import { describe, expect, test } from 'vitest';
import { runSeeds } from './run-seeds.ts';
import { simulate } from './simulation.ts';
import type { Defect } from './sim-world.ts';

const SEEDS_PER_DEFECT = 400;

test('two runs of a seed are the same, event by event; another seed is another run', () => {
  const traces = [7, 7, 8].map((seed) => simulate(seed).trace);
  expect(traces[0]).toBe(traces[1]);
  expect(traces[0]).not.toBe(traces[2]);
});

test('a hundred clusters go through faults, operators and loads, and come out whole', () => {
  const { commits, failures, reads } = runSeeds(1, 100);
  expect(failures).toEqual([]);
  // They did something, and were read all the time.
  expect(commits).toBeGreaterThan(200);
  expect(reads.OK).toBeGreaterThan(10_000);
});

describe('a rule that is broken on purpose is noticed', () => {
  test.each<readonly [Defect, RegExp]>([
    ['skip-fsync', /is committed with \d of \d copies|last good copy/],
    ['ignore-epoch', /obeys epoch \d+ after epoch/],
    ['swap-early', /is committed with \d of \d copies/],
    ['serve-unverified', /answers 'TORN'|is committed with \d of \d copies/],
    ['missing-is-not-found', /says "not found"/],
    ['merge-drops-delta', /has two contents/],
    ['merge-early', /is merged, and not on/],
    ['append-to-other', /an append makes .*, not /],
    ['restore-gives-numbers-again', /has two contents/],
  ])('%s', (defect, expected) => {
    for (let seed = 1; seed <= SEEDS_PER_DEFECT; seed++) {
      const { violation } = simulate(seed, defect);
      if (violation === '') continue;
      expect(violation).toMatch(expected);
      return;
    }
    expect.fail(`not noticed in ${SEEDS_PER_DEFECT} seeds`);
  });
});
