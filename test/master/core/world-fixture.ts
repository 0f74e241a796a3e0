// Small worlds for tests of the pure core: four shards, one segment each, everything spelled out.

import { asSegmentId, asUid } from '../../support/test-ids.ts';
import { versionId } from '../../../master/catalog/records.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';
import type { NodeHoldings } from '../../../master/core/world/holdings.ts';
import { answered, knownNode, readsTried } from '../../../master/core/world/membership.ts';
import type { MembershipLimits, NodeStatus } from '../../../master/core/world/membership.ts';
import type { Dataset, Leaving, World } from '../../../master/core/world/world.ts';

export const LIMITS: MembershipLimits = {
  suspectMisses: 1,
  downMisses: 3,
  initializingDownMisses: 10,
  repairDelayMs: 10_000,
};
export const UID = asUid('00000000000000aa');

export function heartbeat(id: string, state: NodeState, incarnation = `${id}-1`) {
  return {
    nodeId: id,
    incarnation,
    state,
    verifyBytesDone: 0,
    verifyBytesTotal: 0,
    holdingsRevision: 1,
    viewEpoch: 1,
    viewRevision: 1,
    stats: undefined,
    address: undefined,
    zone: '',
    copyFailures: [],
    tierMoves: [],
  };
}

export function known(id: string, nowMs = 0): NodeStatus {
  const address = { host: `host-${id}`, httpPort: 1, respPort: 2, grpcPort: 3 };
  return knownNode({ id, incarnation: `${id}-1`, address, zone: '' }, nowMs, LIMITS);
}

export function serving(id: string): NodeStatus {
  return answered(known(id), heartbeat(id, NodeState.SERVING), 0);
}

/** Its disk takes no more segments. */
export function full(id: string): NodeStatus {
  const diskTrouble = { full: true, writeError: '' };
  return answered(known(id), { ...heartbeat(id, NodeState.SERVING), diskTrouble }, 0);
}

/** It answers heartbeats but no reads. */
export function deaf(id: string): NodeStatus {
  return readsTried(serving(id), true);
}

export function dataset(version = 1, current = true, segmentBytes = 100): Dataset {
  return {
    uid: UID,
    name: 'prices',
    version,
    ref: versionId(UID, version),
    current,
    replication: 2,
    overwritten: new Map(),
    revision: 0,
    merged: [],
    suspended: false,
    segmentsByShard: [0, 1, 2, 3].map((shard) => [
      {
        id: asSegmentId(`0000${shard}-v${version}`),
        shard,
        fileBytes: segmentBytes,
        records: 1,
        keyBytes: 1,
        valueBytes: 1,
        digest: '',
      },
    ]),
  };
}

/** Holdings of segment ids, with the manifests of versions 1 and 2. */
export function holding(id: string, ids: readonly string[], uid = UID): NodeHoldings {
  return {
    incarnation: `${id}-1`,
    revision: 1,
    segments: ids.length === 0 ? new Map() : new Map([[uid, new Set(ids.map(asSegmentId))]]),
    manifests: new Map([1, 2].map((version) => [versionId(UID, version), 0])),
  };
}

/** Nodes a, b, c; shard s is owned by a and b (even) or b and c (odd). */
export function world(
  held: Readonly<Record<string, readonly string[]>>,
  more: Partial<World> = {},
): World {
  const ids = Object.keys(held);
  return {
    nowMs: 0,
    shardCount: 4,
    virtualNodes: 4,
    replication: 2,
    nodes: new Map(ids.map((id) => [id, serving(id)])),
    draining: new Set(),
    holdings: new Map(ids.map((id) => [id, holding(id, held[id] ?? [])])),
    datasets: [dataset()],
    leaving: [],
    deleting: new Set(),
    stillReadable: new Set(),
    knownSinceMs: new Map([[UID, 0]]),
    loading: new Set(),
    archived: new Set(),
    expected: new Map(),
    resuming: new Set(),
    late: new Set(),
    awaitsUnknownNodes: false,
    owners: [0, 1, 2, 3].map((shard) => (shard % 2 === 0 ? ['a', 'b'] : ['b', 'c'])),
    ...more,
  };
}

export const FULL = {
  a: ['00000-v1', '00002-v1'],
  b: ['00000-v1', '00001-v1', '00002-v1', '00003-v1'],
  c: ['00001-v1', '00003-v1'],
};

export function leavingVersion(version: number, segmentIds: readonly string[]): Leaving {
  const ref = versionId(UID, version);
  return { uid: UID, version, ref, segmentIds: segmentIds.map(asSegmentId) };
}
