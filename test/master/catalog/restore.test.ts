// What a restore asks of the catalog: a keyspace with a given uid, and versions with given numbers.

import { expect, test } from 'vitest';
import { asUid } from '../../support/test-ids.ts';
import { CatalogHistory, KEYSPACE } from './catalog-history.ts';
import { reserveVersion } from '../../../master/catalog/commit-transitions.ts';

const uid = asUid('00000000000000cc');

test('a keyspace is created with the uid, and found again', () => {
  const history = new CatalogHistory();
  history.begin({ isRestore: true, keyspaceUid: uid });
  expect(history.uid).toBe(uid);
  const again = { isRestore: true, keyspaceUid: uid, workToken: 'x' };
  // The load before is still running.
  expect(() => history.begin(again)).toThrow(expect.objectContaining({ code: 'LOAD_IN_PROGRESS' }));
});

test.each([
  ['a name that belongs to another uid', KEYSPACE, 'with another uid'],
  ['a uid that belongs to another name', 'other', "belongs to keyspace 'prices'"],
])('%s is refused, and nothing is written', (_, keyspace, says) => {
  const history = new CatalogHistory();
  history.begin({ isRestore: true, keyspaceUid: uid });
  const { state } = history;
  const keyspaceUid = keyspace === KEYSPACE ? asUid('00000000000000dd') : uid;
  expect(() => history.begin({ isRestore: true, keyspaceUid, keyspace })).toThrow(
    expect.objectContaining({ code: 'CONFLICT', message: expect.stringContaining(says) }),
  );
  expect(history.state).toBe(state);
});

test('a version gets the number that is asked for, or the next if that was passed', () => {
  const history = new CatalogHistory();
  const reserve = (load: string, content: string, atLeast: number): number =>
    history.run((state) => reserveVersion(state, load, content, '2026-01-02', atLeast));
  const first = history.begin();
  expect(reserve(first, 'a', 7)).toBe(7);
  expect(reserve(first, 'a', 7)).toBe(7);
  // Datanodes may have seen 7 with other content.
  expect(reserve(first, 'b', 7)).toBe(8);
  expect(history.settle(first, 'b')).toMatchObject({ number: 8 });
  const second = history.begin();
  expect(reserve(second, 'c', 3)).toBe(9);
});
