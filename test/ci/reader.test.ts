// The reader of the end-to-end tests and of the faults, which must see what is wrong.

import { expect, it } from 'vitest';
import { VersionedRows } from '../support/inputs/rows.ts';
import { Reader, stopWithoutFailures } from '../support/readers/reader.ts';
import type { ReaderOptions } from '../support/readers/reader.ts';

const rows = new VersionedRows(100);

/** Reads five times or more, over a source that gives what `read` gives. */
async function readerOf(
  read: (keys: readonly string[]) => (string | null)[],
  options: Partial<ReaderOptions> = {},
): Promise<Reader> {
  const source = { name: 'planted', read: async (keys: readonly string[]) => read(keys) };
  const all = { rows, lanes: 1, keysPerRead: 2, budgetMs: 30, seed: 1, ...options };
  const reader = new Reader([{ ...source, close: () => undefined }], all);
  await reader.progress(5);
  return reader;
}

const good = (keys: readonly string[]): string[] => keys.map((key) => rows.value(key, 1));

/** What `source` does every third time. */
function sometimes(
  source: (keys: readonly string[]) => (string | null)[],
): (keys: readonly string[]) => (string | null)[] {
  let reads = 0;
  return (keys) => (++reads % 3 === 0 ? source(keys) : good(keys));
}

const fails = (): never => {
  throw new Error('planted');
};

it.each<[string, (keys: readonly string[]) => (string | null)[], RegExp, Partial<ReaderOptions>]>([
  ['a missing value', sometimes(() => [null, null]), /wrong or missing/, {}],
  ['the value of another key', sometimes((keys) => good(keys).reverse()), /wrong or missing/, {}],
  [
    'two versions in one read',
    sometimes(([one = '', two = '']) => [rows.value(one, 1), rows.value(two, 2)]),
    /version 1 and 2 in one batch/,
    {},
  ],
  ['another version than the one asked for', good, /version 1, not 2/, { version: 2 }],
  ['an error that stays', fails, /planted/, {}],
  ['an error, where none is tried again', sometimes(fails), /planted/, { retries: false }],
  ['an error that stays, at a rate', fails, /planted/, { readsPerSecond: 200 }],
])('fails for %s', async (_what, read, expected, options) => {
  const reader = await readerOf(read, options);
  await expect(stopWithoutFailures([reader])).rejects.toThrow(expected);
});

it('tries an error again, and counts the read in the window that it began in', async () => {
  const reader = await readerOf(sometimes(fails), { budgetMs: 10_000 });
  const window = reader.begin();
  await reader.progress(10);
  await stopWithoutFailures([reader]);
  const { disturbed, failed, reads, spoilt } = window.report('planted');
  expect(reads + spoilt).toBeGreaterThanOrEqual(9);
  expect(failed).toBe(0);
  expect(disturbed).toMatch(/^planted: \d+ reads, \d+ retries/);
  expect(window.report('another').reads).toBe(0);
});
