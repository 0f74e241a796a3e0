import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  memoryWarning,
  segmentBytesDefault,
  usableMemoryBytes,
} from '../../../base/process/usable-memory.ts';

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

const MiB = 1024 ** 2;

describe('segments may take by default', () => {
  it.each([
    ['three quarters of a large machine', 1, 64 * 1024, 48 * 1024],
    ['what a process needs less of a small one', 1, 512, 256],
    ['a quarter at least', 1, 300, 75],
    ['their part where processes share it', 3, 64 * 1024, 16 * 1024],
    ['their part of what is beside all of them', 3, 2048, 1280 / 3],
  ])('%s', (_name, processes, usable, each) => {
    expect(segmentBytesDefault(processes, usable * MiB)).toBe(Math.floor(each * MiB));
  });
});

it('warns where a process may be killed for lack of memory, and says what helps', () => {
  for (const usable of [512, 1024, 64 * 1024]) {
    expect(memoryWarning(segmentBytesDefault(1, usable * MiB), usable * MiB)).toBeUndefined();
  }
  expect(memoryWarning(75 * MiB, 300 * MiB)).toMatch(
    /may use 300.0 MiB .* give it 512.0 MiB or more/,
  );
  expect(memoryWarning(800 * MiB, 1024 * MiB)).toMatch(
    /--memory-max 800.0 MiB leaves less than 256.0 MiB of the 1.0 GiB .* lower it/,
  );
});
