// DatanodeService and LookupService over gRPC: thin handlers that pass messages to the Datanode.

import type { handleUnaryCall } from '@grpc/grpc-js';
import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError, suspendedError } from '../../base/errors.ts';
import { toGrpcError } from '../../transport/grpc-errors.ts';
import type { DatanodeServiceServer } from '../../proto/gen/stele/v1/datanode.ts';
import type {
  LookupRequest,
  LookupResponse,
  LookupServiceServer,
} from '../../proto/gen/stele/v1/lookup.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { clientBytes } from '../../base/byte-budget.ts';
import { GRPC_MESSAGE_BYTES_MAX, LOOKUP_KEYS_MAX } from '../../base/limits.ts';
import { found, lookupInTable } from '../reads/lookup.ts';
import type { Datanode } from '../node.ts';
import { keyspaceNamed } from './resp-dataset.ts';
import { listSlotKeys, scanKeys } from './peer-scans.ts';

/** Values of one answer: they fit into one message, with what else is in it. */
const ANSWER_BYTES_MAX = GRPC_MESSAGE_BYTES_MAX - 8 * 1024 * 1024;

/** The orders and transfers of a datanode. */
export function datanodeService(node: Datanode): DatanodeServiceServer {
  return {
    heartbeat: unary((request) => node.heartbeat(request, monotonicNowMs())),
    listHoldings: unary((request) => node.listHoldings(request)),
    applyView: unary((request) => node.applyView(request)),
    putManifest: unary((request) => node.putManifest(request)),
    copySegments: unary((request) => node.copySegments(request)),
    dropSegments: unary((request) => node.dropSegments(request)),
    restart: unary((request) => node.restart(request)),
    scanKeys: unary((request) => scanKeys(node, request)),
    listSlotKeys: unary((request) => listSlotKeys(node, request)),
    measureDeltas: unary((request, signal) => node.measureDeltas(request, signal)),
    mergeSegments: unary((request) => node.mergeSegments(request)),
    diffShards: unary((request, signal) => node.diffShards(request, signal)),
  };
}

/** The reads of a datanode. */
export function lookupService(node: Datanode): LookupServiceServer {
  return {
    lookup: unary((request) => lookupOnce(node, request)),
  };
}

function unary<Request, Response>(
  handle: (request: Request, signal: AbortSignal) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    handle(call.request, gone.signal).then(
      (response) => callback(null, response),
      (thrown: unknown) => callback(toGrpcError(thrown)),
    );
  };
}

async function lookupOnce(node: Datanode, request: LookupRequest): Promise<LookupResponse> {
  if (request.keys.length > LOOKUP_KEYS_MAX) {
    throw new SteleError('BATCH_TOO_LARGE', `At most ${LOOKUP_KEYS_MAX} keys a call.`);
  }
  if (clientBytes.isFull) {
    throw new SteleError('OVERLOADED', 'Clients have too much in flight; try again later.');
  }
  const keyspace = keyspaceNamed(node, request.keyspace);
  if (keyspace.suspended === true) throw suspendedError(keyspace.name);
  const version = request.version === 0 ? keyspace.currentVersion : request.version;
  const table = node.tables.get(keyspace.uid, version);
  const beganMs = monotonicNowMs();
  node.counters.lookups += request.keys.length;
  let byteCount = 0;
  const results = request.keys.map((key) => {
    const status =
      table === undefined ? LookupStatus.UNAVAILABLE : lookupInTable(table, key, 0, key.length);
    const value =
      status === LookupStatus.OK ? found.bytes.subarray(found.start, found.end) : Buffer.alloc(0);
    byteCount += value.length;
    if (byteCount > ANSWER_BYTES_MAX) {
      throw new SteleError(
        'BATCH_TOO_LARGE',
        `The values have more than ${ANSWER_BYTES_MAX} bytes together; ask for fewer keys.`,
      );
    }
    return { status, value };
  });
  node.counters.latency.grpc.record(monotonicNowMs() - beganMs, results.length);
  return { version, results };
}
