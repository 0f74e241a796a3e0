// Node states, derived from heartbeat results. Pure; time is an argument.
//
//             answered, says SERVING
//   (known) ---------------------------> SERVING <----------+
//      |                                   | 1 miss         | answered
//      | answered, says INITIALIZING       v                |
//      +------------> INITIALIZING       SUSPECT -----------+
//                        | 10 misses       | 3 misses       |
//                        +-----------------+--> DOWN -------+
//
// Invariants: a node that verifies its files is DOWN only for silence, never for being slow; a node
// leaves the placement (`isMember` false) only after it was DOWN for the repair delay, and after a
// master's start every known node gets that delay again.

import type { HeartbeatResponse } from '../../../proto/gen/stele/v1/datanode.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';
import type { NodeRecord } from '../../catalog/records.ts';

export interface MembershipLimits {
  readonly suspectMisses: number;
  readonly downMisses: number;
  readonly initializingDownMisses: number;
  readonly repairDelayMs: number;
}

/** The states that heartbeats determine; a drain is separate. */
type Liveness = 'UNKNOWN' | 'INITIALIZING' | 'SERVING' | 'SUSPECT' | 'DOWN';

export interface NodeStatus {
  readonly id: string;
  readonly incarnation: string;
  readonly address: NodeRecord['address'];
  readonly zone: string;
  /** Size relative to the other nodes. */
  readonly weight: number;
  readonly liveness: Liveness;
  readonly misses: number;
  /** Monotonic time of its last answer, or of when it became known to this master. */
  readonly lastSeenMs: number;
  /** Monotonic time from which it no longer counts for placement. Undefined while it answers. */
  readonly outAtMs: number | undefined;
  /** The last answer of its present incarnation. */
  readonly report: HeartbeatResponse | undefined;
  /** True if it answers heartbeats but its reads fail: others are asked first. */
  readonly readsFail: boolean;
  /** The error of its reads, if known. */
  readonly readsError?: string;
}

export type Membership = ReadonlyMap<string, NodeStatus>;

/** The state of a node from the catalog, or of a new one, before its first answer. */
export function knownNode(
  record: Omit<NodeRecord, 'drain'>,
  nowMs: number,
  limits: MembershipLimits,
): NodeStatus {
  return {
    id: record.id,
    incarnation: record.incarnation,
    address: record.address,
    zone: record.zone,
    weight: record.weight ?? 1,
    liveness: 'UNKNOWN',
    misses: 0,
    lastSeenMs: nowMs,
    outAtMs: nowMs + limits.repairDelayMs,
    report: undefined,
    readsFail: false,
  };
}

/** Applies an answer. The address in it is the one that others dial. */
export function answered(node: NodeStatus, report: HeartbeatResponse, nowMs: number): NodeStatus {
  const { address } = report;
  // Runs two thousand times a second in a large cluster; spreading `node` would take ten times as
  // long.
  return {
    id: node.id,
    incarnation: report.incarnation,
    address: address === undefined || address.grpcPort === 0 ? node.address : address,
    zone: report.zone === '' ? node.zone : report.zone,
    weight: node.weight,
    liveness: report.state === NodeState.SERVING ? 'SERVING' : 'INITIALIZING',
    misses: 0,
    lastSeenMs: nowMs,
    outAtMs: undefined,
    report,
    readsFail: node.readsFail,
  };
}

/** Applies a miss: no answer within the deadline, or no connection. */
export function missed(node: NodeStatus, nowMs: number, limits: MembershipLimits): NodeStatus {
  const misses = node.misses + 1;
  const liveness = livenessAfterMisses(node.liveness, misses, limits);
  const outAtMs =
    liveness === 'DOWN' && node.liveness !== 'DOWN'
      ? Math.max(node.outAtMs ?? 0, nowMs + limits.repairDelayMs)
      : node.outAtMs;
  return { ...node, misses, liveness, outAtMs };
}

function livenessAfterMisses(before: Liveness, misses: number, limits: MembershipLimits): Liveness {
  if (before === 'INITIALIZING') {
    return misses >= limits.initializingDownMisses ? 'DOWN' : 'INITIALIZING';
  }
  if (before === 'DOWN' || misses >= limits.downMisses) return 'DOWN';
  if (before === 'UNKNOWN') return 'UNKNOWN';
  return misses >= limits.suspectMisses ? 'SUSPECT' : before;
}

/** Records that its reads fail, or work again. */
export function readsTried(node: NodeStatus, failing: boolean, readsError = ''): NodeStatus {
  return { ...node, readsFail: failing, readsError };
}

/** Whether it can take segments: not while its disk is full or failing. */
export function takesSegments({ report }: NodeStatus): boolean {
  return report?.diskTrouble === undefined;
}

/** Whether the ring counts it: unless it has been DOWN for longer than the repair delay. */
export function isMember(node: NodeStatus, nowMs: number): boolean {
  if (node.liveness !== 'DOWN') return true;
  return node.outAtMs !== undefined && nowMs < node.outAtMs;
}

/** Whether it serves, or may: it missed a heartbeat, or this master has not heard from it yet. */
export function mayServe({ liveness }: NodeStatus): boolean {
  return liveness === 'SERVING' || liveness === 'SUSPECT' || liveness === 'UNKNOWN';
}

/** Whether it can answer reads and orders at present. */
export function isServing(node: NodeStatus): boolean {
  return node.liveness === 'SERVING';
}
