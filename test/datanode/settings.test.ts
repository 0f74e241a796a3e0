import { expect, it } from 'vitest';
import { memoryLimits } from '../../datanode/settings.ts';

const MiB = 1024 ** 2;

it('the cache of the disk tier is a quarter of the memory, or none if that is too little', () => {
  const cacheOf = (memoryMax: number, diskCache?: number): number =>
    memoryLimits({ memoryMax, diskCache }).diskCacheBytes;
  expect(cacheOf(400 * MiB)).toBe(100 * MiB);
  expect(cacheOf(3 * MiB)).toBe(0);
  expect(cacheOf(3 * MiB, 2 * MiB)).toBe(2 * MiB);
  expect(cacheOf(3 * MiB, 0)).toBe(0);
  expect(() => cacheOf(3 * MiB, 4 * MiB)).toThrow(
    '--disk-cache 4.0 MiB is more than --memory-max 3.0 MiB, which it is a part of; lower it, or raise --memory-max.',
  );
  expect(() => cacheOf(3 * MiB, 1000)).toThrow(/is too small; use 1.0 MiB or more, or 0 for none/);
});
