// LookupService of the master.

import { unaryHandler } from '../../../transport/grpc-errors.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { LookupResponse, LookupServiceServer } from '../../../proto/gen/stele/v1/lookup.ts';
import type { LookupCore, LookupOutcome } from './lookup-core.ts';
import { tracedLookup } from './traced-lookup.ts';
import type { FrontMetrics, SurfaceCounts } from '../metrics.ts';

const NO_BYTES = Buffer.alloc(0);

/** The handlers for `server.addService(LookupServiceService, ...)`. */
export function masterLookupService(core: LookupCore, metrics: FrontMetrics): LookupServiceServer {
  return {
    lookup: unaryHandler(async ({ keyspace, keys, version }, signal) => {
      const beganMs = performance.now();
      const outcome = await tracedLookup(core, keyspace, keys, { version, signal });
      metrics.grpc.latency.record(performance.now() - beganMs);
      return responseOf(outcome, metrics.grpc);
    }),
  };
}

function responseOf(outcome: LookupOutcome, counts: SurfaceCounts): LookupResponse {
  return {
    version: outcome.target.version,
    results: outcome.statuses.map((status, index) => {
      countStatus(counts, status);
      return { status, value: outcome.values[index] ?? NO_BYTES };
    }),
  };
}

function countStatus(counts: SurfaceCounts, status: LookupStatus): void {
  if (status === LookupStatus.OK) counts.found++;
  else if (status === LookupStatus.NOT_FOUND) counts.notFound++;
  else counts.failed++;
}
