import { beforeEach, describe, expect, test } from 'vitest';
import { settleLoad } from '../../../master/catalog/commit-transitions.ts';
import type { CommitContent } from '../../../master/catalog/commit-transitions.ts';
import { resumeLoad } from '../../../master/catalog/load-transitions.ts';
import { versionId } from '../../../master/catalog/records.ts';
import type { VersionRecord } from '../../../master/catalog/records.ts';
import { rollback } from '../../../master/catalog/version-transitions.ts';
import { LoadMode } from '../../../proto/gen/stele/v1/load.ts';
import { gateFor } from '../../../proto/load-gate.ts';
import { CatalogHistory, COPIES, KEYSPACE } from './catalog-history.ts';

let history: CatalogHistory;
let load: string;

beforeEach(() => {
  history = new CatalogHistory();
  history.load();
  history.load();
  load = history.begin({ mode: 'APPEND' });
});

const conflict = (text: RegExp): unknown =>
  expect.objectContaining({ code: 'CONFLICT', message: expect.stringMatching(text) as string });

const outcome = { added: 1, replaced: 2, unchanged: 3 };

/** Commits an append to `base`, as it was at `baseRevision`. */
function settle(base: number, baseRevision = 0, minRows = 0): VersionRecord {
  const content: CommitContent = {
    version: history.reserve(load, 'appended'),
    fingerprint: 'appended',
    segments: [],
    records: 101,
    keyBytes: 1,
    valueBytes: 2,
    digest: 'appended',
    nowIso: '2026-01-03',
    overwritten: {},
    appended: { append: { base, ...outcome }, baseRevision },
  };
  const gate = { ...gateFor(undefined, LoadMode.APPEND), minRows };
  const terms = { gate, keys: [], keep: 0, progress: undefined, copies: COPIES };
  return history.run((state) => settleLoad(state, load, content, terms));
}

/** Simulates a merge of deltas of a version. */
function merge(version: number): void {
  const id = versionId(history.uid, version);
  const record = { ...history.state.manifest.get(id)!, revision: 1 };
  history.run(() => ({ changes: [{ table: 'manifest', id, record }], result: undefined }));
}

describe('the flip of an append', () => {
  test('follows the version that it was put on, and tells what it has changed', () => {
    expect(settle(2)).toMatchObject({ number: 3, follows: 2, append: { base: 2, ...outcome } });
    expect(history.versions()).toBe('1 RETIRED, 2 COMMITTED, 3 COMMITTED');
    expect(history.current).toBe(3);
  });

  test('is refused when another version has become current at the last moment', () => {
    history.run((state) => rollback(state, KEYSPACE, 0));
    expect(() => settle(2)).toThrow(conflict(/append to version 2, and meanwhile version 1/));
    expect(history.current).toBe(1);
    // The resumed load continues from there.
    const again = history.run((state) => resumeLoad(state, load));
    expect(again.load.base).toBe(1);
    expect(settle(1)).toMatchObject({ number: 3, follows: 1 });
    expect(history.current).toBe(3);
  });

  test('is refused when deltas were merged in the manifest that it was put on', () => {
    merge(2);
    expect(() => settle(2)).toThrow(conflict(/Deltas of version 2 .* were merged in between/));
    expect(settle(2, 1)).toMatchObject({ number: 3 });
  });

  test('leaves the version below as it is where the gate does not hold', () => {
    expect(settle(2, 0, 102)).toMatchObject({ number: 3, state: 'REJECTED' });
    expect(history.current).toBe(2);
  });
});
