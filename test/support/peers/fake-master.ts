// The gRPC port of a master that answers from a cluster in memory. It ends with the test.

import { onTestFinished } from 'vitest';
import { clusterService, ViewWatchers } from '../../../master/operations/cluster-service.ts';
import { ClusterServiceService } from '../../../proto/gen/stele/v1/cluster.ts';
import { GrpcServer } from '../../../transport/grpc-server.ts';
import type { FakeOperations } from './fake-operations.ts';

const NO_READS = {
  ...{ found: 0, notFound: 0, failed: 0, valueBytes: 0, cacheHits: 0 },
  ...{ latency: [], keyspaces: [] },
};

/** Serves `operations`; returns the address, HOST:PORT, and what ends it early. */
export async function startFakeMaster(
  operations: FakeOperations,
  port = 0,
): Promise<{ readonly address: string; close(): Promise<void> }> {
  const server = new GrpcServer();
  const watchers = new ViewWatchers(operations);
  const registrar = { registerNode: () => Promise.reject(new Error('not asked')) };
  server.addService(
    ClusterServiceService,
    clusterService(operations, registrar, watchers, () => NO_READS, undefined),
  );
  const bound = await server.listen('127.0.0.1', port, '--grpc-port');
  const close = (): Promise<void> => {
    watchers.close();
    return server.close(0);
  };
  onTestFinished(close);
  return { address: `127.0.0.1:${bound}`, close };
}
