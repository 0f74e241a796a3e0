// DatanodeService and LookupService over gRPC: thin handlers that pass messages to the Datanode.

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError, suspendedError } from '../../base/errors.ts';
import { unaryHandler } from '../../transport/grpc-errors.ts';
import type { DatanodeServiceServer } from '../../proto/gen/stele/v1/datanode.ts';
import type {
  LookupRequest,
  LookupResponse,
  LookupServiceServer,
} from '../../proto/gen/stele/v1/lookup.ts';
import { clientBytes } from '../../base/byte-budget.ts';
import { GRPC_MESSAGE_BYTES_MAX, LOOKUP_KEYS_MAX } from '../../base/limits.ts';
import { countReads } from './count-reads.ts';
import { lookUpAll } from '../reads/disk-answers.ts';
import type { Datanode } from '../node.ts';
import { hotKeysHere } from './hot-keys.ts';
import { keyspaceNamed } from './resp-dataset.ts';
import { measureRecords } from './measure-records.ts';
import { scanKeys } from './scan-keys.ts';

/** Values of one answer: leaves room for the rest of the message. */
const ANSWER_BYTES_MAX = GRPC_MESSAGE_BYTES_MAX - 8 * 1024 * 1024;

/** The orders and transfers of a datanode. */
export function datanodeService(node: Datanode): DatanodeServiceServer {
  return {
    heartbeat: unaryHandler((request) => node.heartbeat(request, monotonicNowMs())),
    listHoldings: unaryHandler((request) => node.listHoldings(request)),
    applyView: unaryHandler((request) => node.applyView(request)),
    putManifest: unaryHandler((request) => node.putManifest(request)),
    copySegments: unaryHandler((request) => node.copySegments(request)),
    dropSegments: unaryHandler((request) => node.dropSegments(request)),
    restart: unaryHandler((request) => node.restart(request)),
    scanKeys: unaryHandler((request) => scanKeys(node, request)),
    measureDeltas: unaryHandler((request, signal) => node.measureDeltas(request, signal)),
    archiveSegments: unaryHandler((request) => node.archiveSegments(request)),
    mergeSegments: unaryHandler((request) => node.mergeSegments(request)),
    diffShards: unaryHandler((request, signal) => node.diffShards(request, signal)),
    getHotKeys: unaryHandler(async (request) => hotKeysHere(node, request)),
    measureRecords: unaryHandler((request) => measureRecords(node, request)),
    countReads: unaryHandler((request) => countReads(node, request)),
  };
}

/** The reads of a datanode. */
export function datanodeLookupService(node: Datanode): LookupServiceServer {
  return {
    lookup: unaryHandler((request) => lookupOnce(node, request)),
  };
}

async function lookupOnce(node: Datanode, request: LookupRequest): Promise<LookupResponse> {
  if (request.keys.length > LOOKUP_KEYS_MAX) {
    throw new SteleError('BATCH_TOO_LARGE', `At most ${LOOKUP_KEYS_MAX} keys per call.`);
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
  const results = [...(await lookUpAll(node.disk, table, request.keys, ANSWER_BYTES_MAX))];
  node.counters.latency.grpc.record(monotonicNowMs() - beganMs, results.length);
  return { version, results };
}
