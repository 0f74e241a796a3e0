import { expect, test } from 'vitest';
import * as consequences from '../../../console/format/consequences.ts';
import { KEYSPACE, NODE, VERSION } from '../samples.ts';

const OLD = { ...VERSION, version: 1, current: false, records: 1, source: '' };

test('a rollback names both versions, and says that the present one is kept', () => {
  const text = consequences.ofNewCurrent(OLD, VERSION).join(' ');
  expect(text).toContain('version 1 (1 row from an unnamed input');
  expect(text).toContain('instead of version 2 (1,000 rows from geo.csv');
  expect(text).toContain('Version 2 is kept');
});

test('the promotion of a rejected version says why it was refused', () => {
  const rejected = { ...OLD, state: 'REJECTED', reason: 'too few rows' };
  expect(consequences.ofNewCurrent(rejected, undefined).join(' ')).toMatch(
    /refused it: too few rows/,
  );
});

test('fewer versions and copies say what is deleted', () => {
  const versions = [VERSION, OLD, { ...OLD, version: 3, state: 'REJECTED' }];
  expect(consequences.ofKeep(KEYSPACE, 1, versions)[1]).toMatch(/^Up to 1 version of now 2 are/);
  expect(consequences.ofKeep(KEYSPACE, 5, versions)[1]).toBe('No version is deleted now.');
  expect(consequences.ofReplication(KEYSPACE, 1).join(' ')).toMatch(/dropped.*while its datanode/);
  expect(consequences.ofReplication(KEYSPACE, 3).join(' ')).toMatch(/3 copies instead of 2.*made/);
  expect(consequences.ofReplication(KEYSPACE, 0)[0]).toContain("the cluster's number of copies");
});

test('a change of tier says what reads cost then', () => {
  expect(consequences.ofTier(KEYSPACE).join(' ')).toMatch(/index in memory.*a read of the disk/);
  const onDisk = { ...KEYSPACE, tier: 'disk' } as const;
  expect(consequences.ofTier(onDisk).join(' ')).toMatch(/into memory.*without enough memory/);
});

test('the removal of a datanode that runs says that it will be refused', () => {
  expect(consequences.ofRemoval(NODE)).toHaveLength(2);
  expect(consequences.ofRemoval({ ...NODE, state: 'DOWN' })).toHaveLength(1);
});
