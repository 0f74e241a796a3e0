// A reader's own record of one datanode, beside the view: its requests in flight and its latency.
//
// A node that fails or is overdue is avoided for 300 ms: it is asked only if no other replica can
// be. Each further failure right after that doubles the time, up to about 10 s. A node that
// answers, but much more slowly than another replica, is passed over in favour of that one. It is
// probed with a few keys each second, and remains a candidate for hedges.
//
// Hot path: the functions here are called for each batch, `isSlower` for each key. They do not
// allocate.

import { LOOKUP_IN_FLIGHT_BYTES_MAX, LOOKUP_IN_FLIGHT_MAX } from '../base/limits.ts';

/** Lives as long as the node is in the view. */
export interface NodeSlot {
  readonly id: string;
  /**
   * Keys given to the node and not answered. Includes keys of open batches and keys that nobody
   * waits for any more: requests to a frozen node count until it answers or its connection ends.
   */
  inFlight: number;
  /** Total size of the `inFlight` keys. */
  inFlightBytes: number;
  /** Until this time the node is asked only if no other replica can be. */
  avoidUntilMs: number;
  /** Consecutive failures, each counted after the avoidance of the one before had ended. */
  troubles: number;
  /** True if the view shows a missed heartbeat. The node is then avoided. */
  suspect: boolean;
  /** True if the node is in the reader's zone. Such nodes are asked before others. */
  isNear: boolean;
  /** Moving average of the latency of recent answers. */
  latencyMs: number;
  /** Time of the last answer, or of the last probe while the node was slow. */
  sampledAtMs: number;
}

/** Time for which a node is avoided after its first failure. */
const AVOID_MS = 300;
const AVOID_DOUBLINGS_MAX = 5;
/** A node is slow if its latency exceeds SLOW_FACTOR times another's plus SLOW_MS. */
const SLOW_FACTOR = 4;
const SLOW_MS = 3;
const SLOW_TRIED_EVERY_MS = 1000;
/** A rise in latency is adopted slowly, a fall quickly. */
const RISING_WEIGHT = 0.2;
const FALLING_WEIGHT = 0.5;

export function newSlot(id: string): NodeSlot {
  return {
    id,
    inFlight: 0,
    inFlightBytes: 0,
    avoidUntilMs: 0,
    troubles: 0,
    suspect: false,
    isNear: false,
    latencyMs: 0,
    sampledAtMs: 0,
  };
}

/** Whether the node has as many keys or bytes in flight as allowed. */
export function isFull(slot: NodeSlot): boolean {
  return slot.inFlight >= LOOKUP_IN_FLIGHT_MAX || slot.inFlightBytes >= LOOKUP_IN_FLIGHT_BYTES_MAX;
}

/** Records a failure or a missed deadline. Calls that fail together count once. */
export function noteTrouble(slot: NodeSlot, nowMs: number): void {
  if (nowMs >= slot.avoidUntilMs) slot.troubles++;
  const doublings = Math.min(AVOID_DOUBLINGS_MAX, Math.max(0, slot.troubles - 1));
  slot.avoidUntilMs = Math.max(slot.avoidUntilMs, nowMs + AVOID_MS * 2 ** doublings);
}

/** Records an answer. `inTime`: the batch was not overdue. */
export function noteAnswer(
  slot: NodeSlot,
  latencyMs: number,
  inTime: boolean,
  nowMs: number,
): void {
  const weight = latencyMs > slot.latencyMs ? RISING_WEIGHT : FALLING_WEIGHT;
  slot.latencyMs += weight * (latencyMs - slot.latencyMs);
  slot.sampledAtMs = nowMs;
  if (!inTime) return;
  slot.troubles = 0;
  slot.avoidUntilMs = 0;
}

/** Ends the avoidance of a node: the control plane has received a heartbeat from it again. */
export function noteReturn(slot: NodeSlot): void {
  slot.troubles = 0;
  slot.avoidUntilMs = 0;
}

/**
 * Whether `other` should be asked instead of `slot`. Returns false about once a second for a slow
 * node, too, so that its recovery is noticed; that counts as the probe.
 */
export function isSlower(slot: NodeSlot, other: NodeSlot, nowMs: number): boolean {
  if (slot.latencyMs <= SLOW_FACTOR * other.latencyMs + SLOW_MS) return false;
  if (nowMs - slot.sampledAtMs < SLOW_TRIED_EVERY_MS) return true;
  slot.sampledAtMs = nowMs;
  return false;
}
