// test/flaky.json: test files that may pass on their second run only, for the time being.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { problemsOfList } from '../../.ci/flaky.mjs';
import type { Flaky } from '../../.ci/verdict.mjs';
import { PROJECT } from '../support/process/stele-process.ts';

const REASON = 'The reply is sometimes late.';
const TODAY = { nowMs: Date.parse('2026-11-30T12:00Z'), exists: () => true };

function entry(differences: Partial<Flaky> = {}): Flaky {
  return { file: 'test/ring/a.test.ts', date: '2026-11-01', reason: REASON, ...differences };
}

const entries = (count: number): Flaky[] =>
  Array.from({ length: count }, (_, index) => entry({ file: `test/ring/${index}.test.ts` }));

it('holds the list of this project to the rules', () => {
  const listed = JSON.parse(readFileSync(join(PROJECT, 'test/flaky.json'), 'utf8')) as Flaky[];
  const exists = (file: string): boolean => existsSync(join(PROJECT, file));
  expect(problemsOfList(listed, { nowMs: Date.now(), exists })).toEqual([]);
});

it('accepts five files with date and reason, up to 60 days old', () => {
  expect(problemsOfList(entries(5), TODAY)).toEqual([]);
  expect(problemsOfList([entry({ date: '2026-10-01' })], TODAY)).toEqual([]);
});

it.each<[string, Partial<Flaky>[], RegExp]>([
  ['a sixth file', entries(6), /^6 files are listed, and at most 5/],
  ['no reason', [{ file: 'test/ring/a.test.ts', date: '2026-11-01' }], /reason is missing/],
  ['a reason of one word', [entry({ reason: ' flaky ' })], /reason is missing/],
  ['no date', [{ file: 'test/ring/a.test.ts', reason: REASON }], /must be YYYY-MM-DD, not ''/],
  ['a date that does not exist', [entry({ date: '2026-13-01' })], /must be YYYY-MM-DD/],
  ['an entry of 61 days', [entry({ date: '2026-09-30' })], /61 days ago; at most 60/],
  ['a date in the future', [entry({ date: '2026-12-24' })], /in the future/],
  ['a file twice', [entry(), entry()], /listed twice/],
  ['what is no test file', [entry({ file: 'test/ring/members.ts' })], /no such test file/],
])('refuses %s', (_what, listed, expected) => {
  expect(problemsOfList(listed, TODAY)).toEqual([expect.stringMatching(expected)]);
});

it('refuses a file that does not exist', () => {
  const problems = problemsOfList([entry()], { ...TODAY, exists: () => false });
  expect(problems).toEqual(['test/ring/a.test.ts: There is no such test file.']);
});
