import { expect, test } from 'vitest';
import { formatSummary, summaryJson } from '../../../cli/load/load-summary.ts';
import type { LoadSummary } from '../../../loader/load.ts';

const SUMMARY: LoadSummary = {
  keyspace: 'prices',
  version: 3,
  rows: 10,
  loaded: 10,
  duplicates: 0,
  overruled: 0,
  rejected: 0,
  rowsOverLines: 0,
  input: { text: 'line', dialects: [] },
  bytes: 100,
  seconds: 0.5,
  rowsPerSecond: 20,
  chunksResumed: 0,
  shardsResumed: 0,
  records: 10,
  digest: 'd'.repeat(32),
  replicas: 2,
  replication: 2,
  append: undefined,
  alreadyCurrent: false,
};

test('a summary shows the number of copies if there are fewer than there should be', () => {
  expect(formatSummary(SUMMARY)).not.toMatch(/copies/);
  expect(formatSummary({ ...SUMMARY, replicas: 1 })).toMatch(/^copies {4}1 of 2; /m);
  // A master of an earlier release does not report it.
  expect(formatSummary({ ...SUMMARY, replicas: 0, replication: 0 })).not.toMatch(/copies/);
});

test('the JSON has the number of copies in any case', () => {
  expect(JSON.parse(summaryJson(SUMMARY))).toMatchObject({ replicas: 2, replication: 2 });
});
