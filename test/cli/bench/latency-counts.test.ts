import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LatencyCounts } from '../../../cli/bench/latency-counts.ts';

it('has every quantile within 0.8 % and a microsecond, and never above the maximum', () => {
  const latencies = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(latencies, fc.constantFrom(0, 0.5, 0.9, 0.99, 0.999, 1), (values, quantile) => {
      const counts = new LatencyCounts();
      for (const value of values) counts.record(value);
      const sorted = values.toSorted((left, right) => left - right);
      const exact = sorted[Math.max(0, Math.ceil(values.length * quantile) - 1)] ?? 0;
      const found = counts.quantileMs(quantile);
      expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact * 0.008 + 0.001);
      expect(found).toBeLessThanOrEqual(counts.maxMs);
      expect(counts.total).toBe(values.length);
    }),
  );
});

it('is zero without samples', () => {
  const { maxMs, meanMs, minMs } = new LatencyCounts();
  expect([maxMs, meanMs, minMs, new LatencyCounts().quantileMs(0.99)]).toEqual([0, 0, 0, 0]);
});
