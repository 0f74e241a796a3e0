import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CommandHistograms } from '../../../resp/commands/command-histograms.ts';
import { findCommandByName } from '../../../resp/commands/command-table.ts';

function spec(name: string): NonNullable<ReturnType<typeof findCommandByName>> {
  const found = findCommandByName(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

const GET = spec('get');
/** The bounds that redis-server 7.0 prints. */
const BOUNDS = [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16_908, 33_816];

it.each(BOUNDS.map((bound, index) => [1.024 * 2 ** index, bound] as const))(
  'counts %d us in the bucket that Redis names %d',
  (microseconds, bound) => {
    const histograms = new CommandHistograms();
    histograms.record(GET.id, microseconds, 1);
    histograms.record(GET.id, microseconds * 1.01, 1);
    const [first, second] = histograms.cumulative(GET);
    expect(first).toEqual([bound, 1]);
    expect(second?.[1]).toBe(2);
    expect(second?.[0]).toBeGreaterThan(bound);
  },
);

it('is cumulative, and leaves out bounds that add nothing', () => {
  const histograms = new CommandHistograms();
  histograms.record(GET.id, 0, 3);
  histograms.record(GET.id, 100, 2);
  histograms.record(GET.id, 3_600_000_000, 1);
  expect(histograms.cumulative(GET)).toEqual([
    [1, 3],
    [132, 5],
    [1_082_130, 6],
  ]);
  expect(histograms.recorded()).toEqual([GET]);
  expect(histograms.cumulative(spec('mget'))).toEqual([]);
  histograms.reset();
  expect(histograms.recorded()).toEqual([]);
});

it('has percentiles within a quarter', () => {
  fc.assert(
    fc.property(fc.double({ min: 2, max: 900_000, noNaN: true }), (microseconds) => {
      const histograms = new CommandHistograms();
      histograms.record(GET.id, microseconds, 99);
      histograms.record(GET.id, 999_999, 1);
      const half = histograms.percentileUs(GET, 0.5);
      expect(half).toBeGreaterThanOrEqual(microseconds * 0.999);
      expect(half).toBeLessThanOrEqual(microseconds * 1.26);
      expect(histograms.percentileUs(GET, 0.999)).toBeGreaterThanOrEqual(999_999);
    }),
  );
});
