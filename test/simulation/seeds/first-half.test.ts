import { expect, test } from 'vitest';
import { runHalf } from '../run-seeds.ts';

test('the first half of the seeds: every invariant holds after every event, and all of them heal', () => {
  expect(runHalf(0).failures).toEqual([]);
});
