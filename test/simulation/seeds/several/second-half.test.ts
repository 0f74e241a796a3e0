import { test } from 'vitest';
import { expectHalfHolds } from '../../run-seeds.ts';

test('the second half of the seeds with several masters: every invariant holds, and all of them heal', () =>
  expectHalfHolds(1, 'several'));
