import { expect, test } from 'vitest';
import { runHalf } from '../run-seeds.ts';

test('the second half of the seeds: every invariant holds after every event, and all of them heal', () => {
  expect(runHalf(1).failures).toEqual([]);
});
