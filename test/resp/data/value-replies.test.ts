import { expect, it } from 'vitest';
import { rangeOf } from '../../../resp/data/value-replies.ts';

// The replies of redis-server 7.0.15; test/e2e/redis/redis-replies.test.ts compares them again.
it.each([
  [0, -1, 'hello'],
  [1, 3, 'ell'],
  [-3, -1, 'llo'],
  [0, 99, 'hello'],
  [-100, -1, 'hello'],
  [-100, -50, 'h'],
  [4, 4, 'o'],
  [5, 5, ''],
  [3, 1, ''],
  [-1, -3, ''],
  [-1, 1, ''],
  [0, -99, 'h'],
  [0, Number.MAX_SAFE_INTEGER, 'hello'],
  [Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 'h'],
])('GETRANGE %i %i of hello is %j', (first, last, expected) => {
  const { start, end } = rangeOf(first, last, 5);
  expect('hello'.slice(start, end)).toBe(expected);
});

it('of an empty value is empty', () => {
  expect(rangeOf(0, -1, 0)).toEqual({ start: 0, end: 0 });
  expect(rangeOf(-1, -1, 0)).toEqual({ start: 0, end: 0 });
});
