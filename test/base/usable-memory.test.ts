import { totalmem } from 'node:os';
import { expect, it } from 'vitest';
import { usableMemoryBytes } from '../../base/usable-memory.ts';

it.each([
  ['the limit of the container', 512, 4096, 512],
  ['the memory of the machine where the limit is above it', 2 ** 64, 4096, 4096],
  ['the memory of the machine where there is no limit', 0, 4096, 4096],
])('is %s', (_name, constrained, total, usable) => {
  expect(usableMemoryBytes(constrained, total)).toBe(usable);
});

it('is never more than the machine has', () => {
  expect(usableMemoryBytes()).toBeGreaterThan(0);
  expect(usableMemoryBytes()).toBeLessThanOrEqual(totalmem());
});
