// What a datanode counts of its reads, for /metrics, INFO and the heartbeats.
//
// Hot: plain numbers. The time is taken once for a turn or a batch; each key of it counts as one read that took as long.

import { LatencyHistogram } from '../../base/latency.ts';

export class ReadCounters {
  /** Keys looked up, by whatever protocol. */
  lookups = 0;
  /** Keys that RESP clients found, and did not find. */
  hits = 0;
  misses = 0;
  /** By protocol. */
  readonly latency = {
    resp: new LatencyHistogram(),
    lookups: new LatencyHistogram(),
    grpc: new LatencyHistogram(),
  };
}
