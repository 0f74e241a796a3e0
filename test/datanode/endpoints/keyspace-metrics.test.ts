import { expect, it } from 'vitest';
import { summedReads } from '../../../datanode/endpoints/keyspace-metrics.ts';

const counts = { hits: 2, misses: 1, valueBytes: 30, diskCacheHits: 4, diskCacheMisses: 3 };

it('gives 500 keyspaces counts of their own, and adds up the others', () => {
  const uids = Array.from({ length: 600 }, (_, at) => [`uid-${at}`, counts] as const);
  const sums = summedReads(uids, (uid) => `name of ${uid}`);
  expect(sums.size).toBe(501);
  expect(sums.get('name of uid-499')).toEqual(counts);
  expect(sums.get('(other)')).toEqual({
    ...{ hits: 200, misses: 100, valueBytes: 3000, diskCacheHits: 400, diskCacheMisses: 300 },
  });
});

it('adds up what has the same name, and leaves out what has none any more', () => {
  const reads = ['one', 'gone', 'two'].map((uid) => [uid, counts] as const);
  const sums = summedReads(reads, (uid) => (uid === 'gone' ? undefined : 'same'));
  const twice = { hits: 4, misses: 2, valueBytes: 60, diskCacheHits: 8, diskCacheMisses: 6 };
  expect([...sums]).toEqual([['same', twice]]);
});
