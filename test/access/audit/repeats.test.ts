import { expect, it } from 'vitest';
import { Repeats } from '../../../access/audit/repeats.ts';

it('passes an attempt once, then its count when a window ends, ever less often', () => {
  const repeats = new Repeats<string>(0);
  expect(repeats.passes('a', 'a', 0)).toBe(true);
  expect(repeats.passes('a', 'a', 1)).toBe(false);
  expect(repeats.passes('b', 'b', 1)).toBe(true);
  expect(repeats.due(999)).toEqual([]);
  const passed: number[] = [];
  for (let nowMs = 1_000; nowMs <= 600_000; nowMs += 100) {
    repeats.passes('a', 'a', nowMs);
    for (const { item, count } of repeats.due(nowMs)) {
      expect([item, count > 0]).toEqual(['a', true]);
      passed.push(nowMs);
    }
  }
  const gaps = passed.slice(1).map((nowMs, at) => nowMs - (passed[at] ?? 0));
  expect(gaps.slice(0, 8)).toEqual([2e3, 4e3, 8e3, 16e3, 32e3, 60e3, 60e3, 60e3]);
});

it('forgets what has not come again', () => {
  const repeats = new Repeats<string>(0);
  repeats.passes('a', 'a', 0);
  expect(repeats.isBusy).toBe(true);
  expect(repeats.due(1_000)).toEqual([]);
  expect(repeats.isBusy).toBe(false);
  expect(repeats.passes('a', 'a', 1_001)).toBe(true);
});

it('counts attempts that all differ together, and loses none', () => {
  const repeats = new Repeats<number>(0);
  const attempts = 100_000;
  let passed = 0;
  let counted = 0;
  for (let at = 0; at < attempts; at++) {
    // 1,000 a second.
    if (repeats.passes(String(at), at, at)) passed++;
    if (at % 1000 !== 0) continue;
    for (const { count, item } of repeats.due(at)) {
      expect(item).toBe(undefined);
      counted += count;
    }
  }
  for (const { count } of repeats.rest()) counted += count;
  expect(passed + counted).toBe(attempts);
  expect(passed).toBeGreaterThanOrEqual(200);
  expect(passed).toBeLessThan(200 + 10 * 101);
});
