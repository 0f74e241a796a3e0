// Keyspaces of which nothing became, and names that are numbers.

import { beforeEach, describe, expect, it } from 'vitest';
import { parseKeyspaceUid } from '../../../base/ids.ts';
import { catalogFacts } from '../../../master/core/world/datasets.ts';
import { startEpoch } from '../../../master/catalog/cluster-transitions.ts';
import { removeGhosts } from '../../../master/catalog/keyspace-transitions.ts';
import {
  createKeyspace,
  endLoad,
  interruptLoad,
  resumeLoad,
} from '../../../master/catalog/load-transitions.ts';
import { findKeyspace, requireKeyspace } from '../../../master/catalog/queries.ts';
import { CatalogHistory } from './catalog-history.ts';

let history: CatalogHistory;

beforeEach(() => {
  history = new CatalogHistory();
  history.run((state) =>
    startEpoch(state, { id: 'c', shardCount: 16, createdAt: '' }, { term: 't1' }),
  );
});

const fail = (loadId: string, nowIso: string): void => {
  history.run((state) => endLoad(state, loadId, 'FAILED', { reason: 'bad rows', nowIso }));
};
const names = (): string[] =>
  catalogFacts(history.state, 2).keyspaces.map(({ record }) => record.name);

describe('a keyspace that is created without a version', () => {
  const create = (uid: string) => {
    const wanted = { keyspace: 'prices', keyspaceUid: parseKeyspaceUid(uid), nowIso: '2026' };
    const { isNew, keyspace } = history.run((state) => createKeyspace(state, wanted));
    return { isNew, uid: keyspace.uid };
  };

  it('is there for everybody, for good, and creating it again changes nothing', () => {
    const uid = 'aa'.repeat(8);
    expect(create(uid)).toEqual({ isNew: true, uid });
    expect(create('bb'.repeat(8))).toEqual({ isNew: false, uid });
    expect(names()).toEqual(['prices']);
    expect(requireKeyspace(history.state, 'prices').desired.currentVersion).toBe(0);
    expect(history.run((state) => removeGhosts(state, '2027'))).toEqual([]);
    fail(history.begin(), '2026-01-01T10:00');
    expect(history.run((state) => removeGhosts(state, '2027'))).toEqual([]);
    expect(names()).toEqual(['prices']);
  });

  it('gets its first version under the same uid', () => {
    const { uid } = create('aa'.repeat(8));
    const load = history.begin();
    expect(history.state.load.get(load)?.keyspaceUid).toBe(uid);
    history.settle(load, 'content');
    expect(create('bb'.repeat(8))).toEqual({ isNew: false, uid });
  });

  it('is what a failed first load has left, with its uid', () => {
    const load = history.begin();
    const { uid } = requireKeyspace(history.state, 'prices');
    fail(load, '2026-01-01T10:00');
    expect(create('bb'.repeat(8))).toEqual({ isNew: true, uid });
    expect(names()).toEqual(['prices']);
  });

  it('needs a name that SELECT does not take for an index', () => {
    const wanted = { keyspace: '17', keyspaceUid: parseKeyspaceUid('aa'.repeat(8)), nowIso: '' };
    expect(() => createKeyspace(history.state, wanted)).toThrow('cannot be the name');
  });
});

describe('a keyspace whose first load failed', () => {
  it('is there while the load runs, then for nobody, and is gone after an hour', () => {
    const id = history.begin();
    expect(names()).toEqual(['prices']);
    fail(id, '2026-01-01T10:00');
    expect(names()).toEqual([]);
    expect(() => requireKeyspace(history.state, 'prices')).toThrow('There is no keyspace');
    expect(history.run((state) => removeGhosts(state, '2026-01-01T09:00'))).toEqual([]);
    expect(history.run((state) => removeGhosts(state, '2026-01-01T11:00'))).toEqual(['prices']);
    expect(findKeyspace(history.state, 'prices')).toBeUndefined();
  });

  it('is for nobody while the load is interrupted, and stays for as long as that may be taken up', () => {
    const id = history.begin();
    const end = { reason: 'interrupted', nowIso: '2026-01-01T10:00' };
    history.run((state) => interruptLoad(state, id, end));
    expect(names()).toEqual([]);
    expect(() => requireKeyspace(history.state, 'prices')).toThrow('There is no keyspace');
    expect(history.run((state) => removeGhosts(state, '2027'))).toEqual([]);
    history.run((state) => resumeLoad(state, id));
    expect(names()).toEqual(['prices']);
  });

  it('is the same one for the load that is begun again', () => {
    const first = history.begin();
    const { uid } = requireKeyspace(history.state, 'prices');
    fail(first, '2026-01-01T10:00');
    const second = history.begin();
    expect(history.state.load.get(second)?.keyspaceUid).toBe(uid);
    history.settle(second, 'content');
    expect(names()).toEqual(['prices']);
    expect(history.run((state) => removeGhosts(state, '2027'))).toEqual([]);
  });

  it('stays where a version was kept as rejected', () => {
    const id = history.begin();
    const gate = { expectRows: 9, expectTolerance: 0, minRows: 0, maxShrink: 1, requireKeys: [] };
    expect(history.settle(id, 'content', 1, { gate }).state).toBe('REJECTED');
    expect(names()).toEqual(['prices']);
    expect(history.run((state) => removeGhosts(state, '2027'))).toEqual([]);
  });
});

it('a name of digits alone is refused for a new keyspace, with what to use', () => {
  expect(() => history.begin({ keyspace: '2' })).toThrow(/SELECT takes a number .* 'ks2'/);
});
