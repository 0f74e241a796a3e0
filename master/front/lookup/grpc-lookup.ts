// LookupService of the master.

import type { handleUnaryCall } from '@grpc/grpc-js';
import { toGrpcError } from '../../../transport/grpc-errors.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type {
  LookupRequest,
  LookupResponse,
  LookupServiceServer,
} from '../../../proto/gen/stele/v1/lookup.ts';
import type { LookupCore, LookupOutcome } from './lookup-core.ts';
import type { FrontMetrics, SurfaceCounts } from '../metrics.ts';

const NO_BYTES = Buffer.alloc(0);

/** The handlers for `server.addService(LookupServiceService, ...)`. */
export function lookupService(core: LookupCore, metrics: FrontMetrics): LookupServiceServer {
  const lookup: handleUnaryCall<LookupRequest, LookupResponse> = (call, callback) => {
    const beganMs = performance.now();
    const { keyspace, keys, version } = call.request;
    const abort = new AbortController();
    call.on('cancelled', () => abort.abort());
    core.lookup(keyspace, keys, { version, signal: abort.signal }).then(
      (outcome) => {
        metrics.grpc.latency.record(performance.now() - beganMs);
        callback(null, responseOf(outcome, metrics.grpc));
      },
      (thrown: unknown) => callback(toGrpcError(thrown)),
    );
  };
  return { lookup };
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
