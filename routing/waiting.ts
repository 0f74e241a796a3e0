// What waits for datanodes: one key, and the batch that it travels in.

import type { SteleError } from '../base/errors.ts';
import type { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import type { NodeSlot } from './node-slot.ts';
import type { LookupTarget, RouteTable } from './router.ts';

/** Who waits for keys. */
export interface LookupReceiver {
  /**
   * The answer to key number `index`. `value` (with OK) is the receiver's own; `nodeId` is who
   * said it; `failure` (with UNAVAILABLE) says why.
   */
  receive(
    index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    nodeId: string,
    failure: SteleError | undefined,
  ): void;
  /** True once nobody is interested any more: no further replica is asked. */
  readonly abandoned: boolean;
}

/** One key on its way. */
export interface WaitingKey {
  readonly target: LookupTarget;
  readonly key: Uint8Array;
  readonly shard: number;
  readonly receiver: LookupReceiver;
  readonly index: number;
  readonly deadlineAtMs: number;
  /** The table that `tried` counts in, by position in its replicas of the shard. */
  table: RouteTable | undefined;
  tried: number;
  /** Replicas that have been asked and have not answered. */
  asked: number;
  /** Those of them that have been too long about it, so that another one is asked. */
  overdue: number;
  parkedTimes: number;
  hedged: boolean;
  settled: boolean;
  lastError: SteleError | undefined;
}

/** A key that nobody has been asked for yet. */
export function newWaitingKey(
  target: LookupTarget,
  key: Uint8Array,
  shard: number,
  receiver: LookupReceiver,
  index: number,
  deadlineAtMs: number,
): WaitingKey {
  return {
    target,
    key,
    shard,
    receiver,
    index,
    deadlineAtMs,
    table: undefined,
    tried: 0,
    asked: 0,
    overdue: 0,
    parkedTimes: 0,
    hedged: false,
    settled: false,
    lastError: undefined,
  };
}

/** Keys of one dataset that travel to one node together. */
export interface Batch {
  readonly slot: NodeSlot;
  readonly target: LookupTarget;
  readonly keys: Uint8Array[];
  /** Undefined once answered. */
  readonly waiting: (WaitingKey | undefined)[];
  open: number;
  sentAtMs: number;
  overdue: boolean;
  /** Why its node could not answer some of them; one error for all. */
  refusal: SteleError | undefined;
  deadlineFirstMs: number;
  deadlineLastMs: number;
}

export function newBatch(slot: NodeSlot, target: LookupTarget): Batch {
  return {
    slot,
    target,
    keys: [],
    waiting: [],
    open: 0,
    sentAtMs: 0,
    overdue: false,
    refusal: undefined,
    deadlineFirstMs: Number.POSITIVE_INFINITY,
    deadlineLastMs: 0,
  };
}

/** Up to this size a loop over the bytes beats the call of a native copy. */
const LOOP_COPY_BYTES_MAX = 48;

/** bytes[start, end) as a Buffer of its own: what a datanode's answer lies in is used again. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Buffer {
  const length = end - start;
  const copy = Buffer.allocUnsafe(length);
  if (length > LOOP_COPY_BYTES_MAX) copy.set(bytes.subarray(start, end));
  else for (let at = 0; at < length; at++) copy[at] = bytes[start + at] as number;
  return copy;
}
