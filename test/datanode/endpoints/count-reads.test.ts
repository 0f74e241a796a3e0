import { expect, test } from 'vitest';
import { countReads } from '../../../datanode/endpoints/count-reads.ts';
import { KeyspaceReads } from '../../../datanode/read-stats/keyspace-reads.ts';
import { ReadCounters } from '../../../datanode/read-stats/read-counters.ts';

test('counts by keyspace and in all, also of keyspaces that are gone', async () => {
  const counters = new ReadCounters();
  counters.lookups = 20;
  counters.latency.resp.record(0.04, 3);
  counters.latency.lookups.record(0.04, 4);
  const reads = Object.assign(new KeyspaceReads(), {
    ...{ hits: 5, misses: 2, valueBytes: 50, diskCacheHits: 3, diskCacheMisses: 1 },
  });
  const unread = new KeyspaceReads();
  const asked: unknown[] = [];
  const source = {
    counters,
    identity: { admitQuestion: (header: unknown) => asked.push(header) },
    cluster: { keyspaceOf: (uid: string) => (uid === 'u1' ? { name: 'prices' } : undefined) },
    tables: {
      reads: new Map([
        ['u1', reads],
        ['u2', unread],
      ]),
      readsGone: { hits: 6, misses: 1, valueBytes: 60 },
    },
  };
  const header = { epoch: 1, nodeId: 'a', incarnation: 'b', clusterId: 'c' };
  const counted = await countReads(source as never, { header });
  expect(asked).toEqual([header]);
  expect(counted.counters).toMatchObject({ found: 11, notFound: 3, failed: 6, valueBytes: 110 });
  expect(counted.counters?.latency[0]).toBe(7);
  expect(counted.counters?.keyspaces).toEqual([
    {
      keyspaceUid: 'u1',
      keyspace: 'prices',
      found: 5,
      notFound: 2,
      valueBytes: 50,
      cacheHits: 0,
      diskCacheHits: 3,
      diskCacheMisses: 1,
    },
  ]);
});
