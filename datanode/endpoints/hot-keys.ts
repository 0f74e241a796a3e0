// Which keys of a keyspace this node is asked for, for a master or for a client of the Redis
// protocol.

import { monotonicNowMs } from '../../base/clock.ts';
import type { GetHotKeysRequest, GetHotKeysResponse } from '../../proto/gen/stele/v1/datanode.ts';
import type { HotKey } from '../../proto/gen/stele/v1/hot_keys.ts';
import type { Datanode } from '../node.ts';
import type { SampledKey } from '../read-stats/hot-keys.ts';

/** The sampled keys of a keyspace. Throws WRONG_NODE. */
export function hotKeysHere(node: Datanode, request: GetHotKeysRequest): GetHotKeysResponse {
  node.identity.expect(request.expectNode, '');
  const reads = node.tables.reads.get(request.keyspaceUid);
  if (reads === undefined) return { readsPerSecond: 0, hottest: [], largest: [] };
  const readsPerSecond = reads.ratePerSecond(monotonicNowMs());
  const message = ({ key, share, valueBytes }: SampledKey): HotKey => ({
    key,
    readsPerSecond: share * readsPerSecond,
    ...(valueBytes === undefined ? {} : { valueBytes }),
  });
  return {
    readsPerSecond,
    hottest: reads.hotKeys.hottest(request.limit).map(message),
    largest: reads.hotKeys.largest(request.limit).map(message),
  };
}
