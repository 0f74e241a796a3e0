import { expect, test } from 'vitest';
import type { Defect } from './chaos/defects.ts';
import { expectFound, isRepeated } from './run-seeds.ts';
import { simulate } from './simulation.ts';

/** Each defect, the first seed to try, the seeds within which it is found, and what is found. */
const DEFECTS: readonly (readonly [Defect, number, number, RegExp])[] = [
  ['skip-fsync', 1, 10, /is committed with \d of \d copies|last good copy/],
  ['ack-before-durable', 11, 40, /is gone|has two contents|view .* follows/],
  ['restore-gives-numbers-again', 1, 40, /has two contents|view .* follows/],
  ['ignore-epoch', 2, 40, /obeys epoch \d+ after epoch|obeys an order for/],
  ['swap-early', 2, 20, /is committed with \d of \d copies/],
  ['serve-unverified', 70, 300, /answers '|says "not found"|is committed with/],
  ['missing-is-not-found', 1, 10, /says "not found"/],
  ['merge-early', 6, 60, /is merged, and not on|is committed with \d of \d copies/],
  ['append-to-other', 4, 40, /an append makes .*, not |has two contents/],
  ['merge-drops-delta', 2, 40, /has two contents/],
  ['commit-after-lease', 4, 40, /makes version \d+ of .*, and is/],
  ['turn-unguarded', 1, 10, /a process ends of what was thrown in it/],
  ['heartbeat-loop-ends', 2, 20, /not healed/],
  ['stall-is-silence', 13, 60, /is said to have missed a heartbeat/],
  ['hung-disk-silences', 2, 40, /is said to have missed a heartbeat/],
  ['calls-without-deadline', 2, 20, /not healed/],
];

test.each(['one', 'several'] as const)(
  'two runs of a seed with %s masters are the same, event by event; another seed is another run',
  async (masters) => {
    const traces: string[] = [];
    for (const seed of [7, 7, 8]) traces.push((await simulate(seed, { masters })).trace);
    expect(traces[0]).toBe(traces[1]);
    expect(traces[0]).not.toBe(traces[2]);
  },
);

// Does not run while a single seed is repeated.
test.skipIf(isRepeated).each(DEFECTS)(
  'the rule that %s breaks on purpose is seen to be broken, from seed %i, within %i seeds',
  (defect, first, seedsMax, expected) =>
    expectFound({ masters: 'one' }, defect, first, seedsMax, expected),
);

const OF_DEEP_STORE: readonly [Defect, first: number, seedsMax: number, expected: RegExp][] = [
  ['archived-early', 1, 10, /is archived(,| without)/],
];

test.skipIf(isRepeated).each(OF_DEEP_STORE)(
  'with a deep store, the rule that %s breaks on purpose is seen to be broken, from seed %i, within %i seeds',
  (defect, first, seedsMax, expected) =>
    expectFound({ masters: 'one', hasDeepStore: true }, defect, first, seedsMax, expected),
);
