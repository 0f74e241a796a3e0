import { expect, it } from 'vitest';
import { ValueCache, copyOfCached } from '../../../../master/front/lookup/cache.ts';

const MIB = 1024 * 1024;
const key = (name: string): Buffer => Buffer.from(name);

function read(cache: ValueCache, name: string): Buffer | undefined {
  const found = cache.get(1, key(name), 0, name.length);
  return found && copyOfCached(found);
}

function put(cache: ValueCache, name: string, bytes: number): void {
  // A value that comes once more than the cache is full is taken the second time.
  for (let time = 0; time < 2; time++) {
    cache.put(1, key(name), Buffer.alloc(bytes, name), 'a');
  }
}

it('keeps small and large values apart, and gives each whole', () => {
  const cache = new ValueCache(4 * MIB);
  for (const bytes of [0, 1, 70, 4000, 5000, 100_000]) put(cache, `of-${bytes}`, bytes);
  for (const bytes of [0, 1, 70, 4000, 5000, 100_000]) {
    expect(read(cache, `of-${bytes}`)).toEqual(Buffer.alloc(bytes, `of-${bytes}`));
  }
  expect(cache.entryCount).toBe(6);
  expect([cache.hits, cache.misses]).toEqual([6, 0]);
});

it('gives small values all of its bytes, then half of them to large ones, and back', () => {
  const cache = new ValueCache(4 * MIB);
  const small = (from: number): void => {
    for (let at = from; at < from + 60_000; at++) put(cache, `small-${at}`, 80);
  };
  const large = (from: number): void => {
    for (let at = from; at < from + 200; at++) put(cache, `large-${at}`, 50_000);
  };
  small(0);
  expect(cache.byteLength).toBeGreaterThan(3 * MIB);
  large(0);
  expect(cache.byteLength).toBeLessThanOrEqual(4 * MIB);
  expect(read(cache, 'large-199')).toHaveLength(50_000);
  expect(read(cache, 'large-180')).toHaveLength(50_000);
  expect(read(cache, 'small-59999')).toHaveLength(80);
  const only = new ValueCache(4 * MIB);
  for (let at = 0; at < 200; at++) put(only, `large-${at}`, 50_000);
  expect(only.byteLength).toBeGreaterThan(3 * MIB);
  for (let at = 0; at < 60_000; at++) put(only, `small-${at}`, 80);
  expect(only.byteLength).toBeLessThanOrEqual(4 * MIB);
  expect(read(only, 'small-59999')).toHaveLength(80);
  expect(read(only, 'large-199')).toHaveLength(50_000);
});

it('takes nothing when it is switched off', () => {
  const cache = new ValueCache(0);
  put(cache, 'k', 10);
  expect([cache.enabled, cache.entryCount, cache.byteLength]).toEqual([false, 0, 0]);
});
