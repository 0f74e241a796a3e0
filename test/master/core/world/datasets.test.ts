import { expect, test } from 'vitest';
import { parseKeyspaceUid } from '../../../../base/ids.ts';
import { applyChanges, emptyCatalog } from '../../../../master/catalog/catalog.ts';
import type { CatalogState, Change } from '../../../../master/catalog/catalog.ts';
import { versionId } from '../../../../master/catalog/records.ts';
import type {
  KeyspaceRecord,
  SegmentRecord,
  VersionRecord,
} from '../../../../master/catalog/records.ts';
import { catalogFacts } from '../../../../master/core/world/datasets.ts';
import { asSegmentId } from '../../../support/test-ids.ts';

const uid = parseKeyspaceUid('0123456789abcdef');
const totals = { records: 1, keyBytes: 1, valueBytes: 1, digest: '' };

const keyspace: KeyspaceRecord = {
  ...{ uid, index: 1, name: 'k', createdAt: '', state: 'RUNNING', nextVersion: 2 },
  desired: { currentVersion: 1, replication: 0 },
};

function segment(shard: number, name: string): SegmentRecord {
  return { ...totals, shard, fileBytes: 1, id: asSegmentId(name) };
}

/** A chain of two in shard 0, nothing in shard 1, one segment in shard 2. */
function catalog(): CatalogState {
  const origin = { source: '', inputFingerprint: '', loadId: '', segmentBytes: 1 };
  const version: VersionRecord = {
    ...{ uid, number: 1, ...totals, ...origin },
    ...{ state: 'COMMITTED', committedAt: '' },
  };
  const segments = [segment(0, 'a'), segment(0, 'b'), segment(2, 'c')];
  const id = versionId(uid, 1);
  const changes: Change[] = [
    { table: 'cluster', id: '', record: { id: 'c', shardCount: 4, createdAt: '' } },
    { table: 'keyspace', id: uid, record: keyspace },
    { table: 'version', id, record: version },
    { table: 'manifest', id, record: { uid, version: 1, segments } },
  ];
  return applyChanges(emptyCatalog(), changes);
}

function withKeyspace(state: CatalogState, desired: Partial<KeyspaceRecord['desired']>) {
  const record = { ...keyspace, desired: { ...keyspace.desired, ...desired } };
  return applyChanges(state, [{ table: 'keyspace', id: uid, record }]);
}

test('the chains of a version are by shard, oldest first', () => {
  const [dataset] = catalogFacts(catalog(), 2).datasets;
  const ids = dataset?.segmentsByShard.map((chain) => chain.map(({ id }) => id));
  expect(ids).toEqual([[asSegmentId('a'), asSegmentId('b')], [], [asSegmentId('c')], []]);
});

test('a change that changes no version leaves the datasets as they are, and any other one does not', () => {
  const state = catalog();
  const facts = catalogFacts(state, 2);
  const kept = catalogFacts(withKeyspace(state, { keep: 5 }), 2, facts);
  expect(kept.datasets).toBe(facts.datasets);
  expect(kept.records[0]?.desired.keep).toBe(5);
  const suspended = catalogFacts(withKeyspace(state, { suspended: true }), 2, kept);
  expect(suspended.datasets).toMatchObject([{ suspended: true }]);
  expect(catalogFacts(withKeyspace(state, { replication: 3 }), 2, facts).datasets).toMatchObject([
    { replication: 3 },
  ]);
  expect(catalogFacts(state, 1, facts).datasets).toMatchObject([{ replication: 1 }]);
  expect(catalogFacts(withKeyspace(state, { currentVersion: 0 }), 2, facts).datasets).toMatchObject(
    [{ current: false }],
  );
});
