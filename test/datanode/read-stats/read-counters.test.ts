import { expect, it } from 'vitest';
import { LookupRate } from '../../../datanode/read-stats/read-counters.ts';

it('reports the rate since the last call, and keeps it for half a second', () => {
  let lookups = 0;
  const rate = new LookupRate(() => lookups, 1000);
  expect(rate.perSecond(1100)).toBe(0);
  lookups = 300;
  expect(rate.perSecond(2000)).toBe(300);
  lookups = 5000;
  expect(rate.perSecond(2499)).toBe(300);
  expect(rate.perSecond(2500)).toBe(9400);
  expect(rate.perSecond(4500)).toBe(0);
});
