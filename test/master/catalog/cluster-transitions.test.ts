// Starts of a master, restores and copies put back: numbers that may have been seen are not given
// again.

import { beforeEach, describe, expect, it } from 'vitest';
import type { CatalogState } from '../../../master/catalog/catalog.ts';
import { NODE_COUNT_MAX } from '../../../base/limits.ts';
import {
  raiseEpoch,
  recordNode,
  setVirtualNodes,
  startEpoch,
} from '../../../master/catalog/cluster-transitions.ts';
import { dropKeyspace, forgetKeyspace } from '../../../master/catalog/keyspace-transitions.ts';
import {
  epochOf,
  requireKeyspace,
  revisionOf,
  virtualNodesOf,
} from '../../../master/catalog/queries.ts';
import { CatalogHistory, KEYSPACE } from './catalog-history.ts';

const FRESH = { id: 'c', shardCount: 16, createdAt: '' };

let history: CatalogHistory;

beforeEach(() => {
  history = new CatalogHistory();
  history.run((state) => startEpoch(state, FRESH, { term: 't1' }));
});

const start = (restored: boolean): number =>
  history.run((s) => startEpoch(s, FRESH, { term: 't2', restored }));
const load = (content: string): number => history.settle(history.begin(), content).number;
const revision = (): number => revisionOf(history.state, undefined);

/** What a timeline has given out: its epoch, version numbers, revision and index. */
function numbersOf(state: CatalogState): number[] {
  const { index, nextVersion } = requireKeyspace(state, 'another');
  return [epochOf(state), nextVersion, index];
}

describe('a registration', () => {
  const node = (id: string) => ({
    id,
    incarnation: 'i',
    address: { host: 'h', httpPort: 1, respPort: 2, grpcPort: 3 },
    zone: '',
  });

  it('is refused beyond the limit, but for a datanode that is known', () => {
    const record = { ...node('n'), drain: false };
    const nodes = Array.from({ length: NODE_COUNT_MAX }, (_, at) => [`n${at}`, record] as const);
    const state = { ...history.state, node: new Map(nodes) };
    expect(() => recordNode(state, node('more'))).toThrow(/2000 datanodes are registered/);
    expect(recordNode(state, node('n7')).changes).toHaveLength(1);
  });
});

it('a number of virtual nodes is kept over starts, and one for each shard is the most', () => {
  const set = (count: number): number => {
    history.run((state) => setVirtualNodes(state, count));
    return virtualNodesOf(history.state);
  };
  expect(virtualNodesOf(history.state)).toBe(16);
  expect(set(3)).toBe(3);
  start(false);
  expect(virtualNodesOf(history.state)).toBe(3);
  expect(set(17)).toBe(16);
  // As in a cluster without this setting.
  expect(history.state.cluster.get('')).toEqual(FRESH);
});

describe('a start', () => {
  it('raises the epoch by one and steps over nothing', () => {
    expect(load('a')).toBe(1);
    expect(start(false)).toBe(2);
    expect(load('b')).toBe(2);
    expect(revision()).toBe(0);
  });

  it('on a restored catalog steps over epochs, versions, revisions and indexes', () => {
    load('a');
    const open = history.begin({ keyspace: 'open' });
    expect(history.reserve(open, 'tried')).toBe(1);
    expect(start(true)).toBe(1001);
    expect(load('b')).toBe(1002);
    expect(revision()).toBeGreaterThan(0);
    history.begin({ keyspace: 'new' });
    expect(requireKeyspace(history.state, 'new').index).toBeGreaterThan(10);
    // The very content that a number was set aside for keeps it; other content goes past the gap.
    expect(history.reserve(open, 'tried')).toBe(1);
    expect(history.reserve(open, 'other')).toBe(1001);
    expect(history.settle(open, 'other').number).toBe(1001);
    expect(requireKeyspace(history.state, 'open').nextVersion).toBe(1002);
  });

  it.each([true, false])('gives each number once, however often a copy is put back', (restored) => {
    load('a');
    const backup = history.state;
    const seen = new Set<string>();
    let given = 0;
    for (let time = 0; time < 20; time++) {
      history.state = backup;
      start(restored);
      // The highest epoch that datanodes have obeyed so far.
      if (given > 0) history.run((state) => raiseEpoch(state, given));
      given = epochOf(history.state);
      history.begin({ keyspace: 'another' });
      const numbers = [...numbersOf(history.state), revision(), load('b')];
      for (const [kind, number] of numbers.entries()) {
        // The keyspace is a new one each time, so its versions begin at 1.
        if (kind === 1) continue;
        expect(seen.has(`${kind} ${number}`)).toBe(false);
        seen.add(`${kind} ${number}`);
      }
    }
  });

  it('takes a higher epoch than it is told, and none for a lower one', () => {
    expect(history.run((state) => raiseEpoch(state, 0))).toBe(1);
    expect(history.run((state) => raiseEpoch(state, 1))).toBe(2);
    expect(history.run((state) => raiseEpoch(state, 9))).toBe(10);
    expect(load('a')).toBe(1);
    expect(requireKeyspace(history.state, KEYSPACE).nextVersion).toBe(2);
  });
});

describe('the index of a keyspace', () => {
  it('is 0 for default, and is never given again', () => {
    history.begin({ keyspace: 'default' });
    for (const name of ['a', 'b']) history.begin({ keyspace: name });
    expect(requireKeyspace(history.state, 'default').index).toBe(0);
    const { index, uid } = requireKeyspace(history.state, 'b');
    expect(index).toBe(2);
    history.run((state) => dropKeyspace(state, 'b', ''));
    history.run((state) => forgetKeyspace(state, uid));
    history.begin({ keyspace: 'c' });
    expect(requireKeyspace(history.state, 'c').index).toBe(3);
  });
});
