import { test } from 'vitest';
import { expectHalfHolds } from '../../run-seeds.ts';

test('the first half of the seeds: every invariant holds after every event, and all of them heal', () =>
  expectHalfHolds(0, 'deep-store'));
