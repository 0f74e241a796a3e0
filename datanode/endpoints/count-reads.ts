// The reads that this process has answered, for `stele top` and the console. Asked for rarely, and
// only then added up: reads themselves add to plain numbers.

import type { CountReadsRequest, CountReadsResponse } from '../../proto/gen/stele/v1/datanode.ts';
import type { Datanode } from '../node.ts';

type Source = Pick<Datanode, 'cluster' | 'counters' | 'identity' | 'tables'>;

/** Throws WRONG_NODE and STALE_EPOCH, as for every question of a master. */
export async function countReads(
  { cluster, counters, identity, tables }: Source,
  request: CountReadsRequest,
): Promise<CountReadsResponse> {
  identity.admitQuestion(request.header);
  const keyspaces = [...tables.reads].map(([keyspaceUid, reads]) => ({
    keyspaceUid,
    keyspace: cluster.keyspaceOf(keyspaceUid)?.name ?? '',
    found: reads.hits,
    notFound: reads.misses,
    valueBytes: reads.valueBytes,
    cacheHits: 0,
    diskCacheHits: reads.diskCacheHits,
    diskCacheMisses: reads.diskCacheMisses,
  }));
  const all = [...tables.reads.values(), tables.readsGone];
  const found = all.reduce((sum, { hits }) => sum + hits, 0);
  const notFound = all.reduce((sum, { misses }) => sum + misses, 0);
  const latency: number[] = [];
  for (const times of Object.values(counters.latency)) times.addTo(latency);
  return {
    counters: {
      found,
      notFound,
      failed: Math.max(0, counters.lookups - found - notFound),
      valueBytes: all.reduce((sum, reads) => sum + reads.valueBytes, 0),
      latency,
      keyspaces: keyspaces.filter((reads) => reads.found + reads.notFound > 0),
      cacheHits: 0,
    },
  };
}
