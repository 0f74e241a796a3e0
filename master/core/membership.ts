// Who is there: heartbeat results in, node states out. Pure; time is an argument.
//
//             answered, says SERVING
//   (known) ---------------------------> SERVING <----------+
//      |                                   | 1 miss         | answered
//      | answered, says INITIALIZING       v                |
//      +------------> INITIALIZING       SUSPECT -----------+
//                        | 10 misses       | 3 misses       |
//                        +-----------------+--> DOWN -------+
//
// Invariants: a node that verifies its files is never DOWN for being slow, only for being silent;
// a node leaves the placement (`isMember` false) only after it was DOWN for the repair delay, and
// after a master's start every known node is given that delay anew.

import type { HeartbeatResponse } from '../../proto/gen/stele/v1/datanode.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { NodeRecord } from '../catalog/records.ts';

export interface MembershipLimits {
  readonly suspectMisses: number;
  readonly downMisses: number;
  readonly initializingDownMisses: number;
  readonly repairDelayMs: number;
}

/** What heartbeats say; `drain` is not theirs to say. */
type Liveness = 'UNKNOWN' | 'INITIALIZING' | 'SERVING' | 'SUSPECT' | 'DOWN';

export interface NodeStatus {
  readonly id: string;
  readonly incarnation: string;
  readonly address: NodeRecord['address'];
  readonly zone: string;
  /** Size beside the others. */
  readonly weight: number;
  readonly liveness: Liveness;
  readonly misses: number;
  /** Monotonic; when it last answered, or when it became known to this master. */
  readonly lastSeenMs: number;
  /** Monotonic; from when on it no longer counts for placement. Undefined while it answers. */
  readonly outAtMs: number | undefined;
  /** The last answer of its present incarnation. */
  readonly report: HeartbeatResponse | undefined;
  /** It answers heartbeats, and reads of it fail: others are asked first. */
  readonly readsFail: boolean;
  /** Why they do, where that is known. */
  readonly readsError?: string;
}

export type Membership = ReadonlyMap<string, NodeStatus>;

/** A node read from the catalog, or one that registers: known, not heard yet. */
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

/** An answer. The address that the node itself gives is the one that others dial. */
export function answered(node: NodeStatus, report: HeartbeatResponse, nowMs: number): NodeStatus {
  const { address } = report;
  // Two thousand times a second in a large cluster: to spread `node` takes ten times as long.
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

/** No answer within the deadline, or no connection. */
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

/** Reads of it were found to fail, or to work again. */
export function readsTried(node: NodeStatus, failing: boolean, readsError = ''): NodeStatus {
  return { ...node, readsFail: failing, readsError };
}

/** Whether it can take segments: not while its disk is full or fails. */
export function takesSegments({ report }: NodeStatus): boolean {
  return report?.diskTrouble === undefined;
}

/** Whether the ring counts it: everybody who is not DOWN for longer than the repair delay. */
export function isMember(node: NodeStatus, nowMs: number): boolean {
  if (node.liveness !== 'DOWN') return true;
  return node.outAtMs !== undefined && nowMs < node.outAtMs;
}

/** Whether it serves, or is in doubt: a heartbeat was missed, or this master has not heard it yet. */
export function mayServe({ liveness }: NodeStatus): boolean {
  return liveness === 'SERVING' || liveness === 'SUSPECT' || liveness === 'UNKNOWN';
}

/** Whether it can answer reads and orders at present. */
export function isServing(node: NodeStatus): boolean {
  return node.liveness === 'SERVING';
}
