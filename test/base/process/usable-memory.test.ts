import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  memoryMaxDefault,
  memoryWarning,
  overheadBytes,
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

describe('a process may take by default', () => {
  it.each([
    ['three quarters of a large machine', 1, 64 * 1024, 48 * 1024 + 128],
    ['most of a small one', 1, 512, 448],
    ['their part where processes share it', 3, 64 * 1024, 16 * 1024 + 128],
    ['their part of most of a small one', 3, 2048, 1792 / 3],
  ])('%s', (_name, processes, usable, each) => {
    expect(memoryMaxDefault(processes, usable * MiB)).toBe(Math.floor(each * MiB));
  });
});

it('warns where a process may be killed for lack of memory, and says what helps', () => {
  for (const usable of [512, 1024, 64 * 1024]) {
    expect(memoryWarning(memoryMaxDefault(1, usable * MiB), usable * MiB)).toBeUndefined();
  }
  expect(memoryWarning(75 * MiB, 300 * MiB)).toMatch(
    /may use 300.0 MiB .* give it 512.0 MiB or more/,
  );
  expect(memoryWarning(900 * MiB, 1024 * MiB)).toMatch(
    /--memory-max 900.0 MiB leaves less than an eighth of the 1.0 GiB .* lower it/,
  );
});

it('what a process needs beside data is set aside, but at most half of a small limit', () => {
  expect(overheadBytes(1024 * MiB, 200 * MiB)).toBe(200 * MiB);
  expect(overheadBytes(64 * MiB, 200 * MiB)).toBe(32 * MiB);
});
