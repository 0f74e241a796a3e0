// What waits for datanodes: single keys, and the batches that carry them.

import type { SteleError } from '../base/errors.ts';
import type { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import type { LookupBatch, LookupKey } from '../proto/ports.ts';
import type { NodeSlot } from './node-slot.ts';
import type { LookupTarget, RouteTable } from './router.ts';

/** Receives the answers to keys. */
export interface LookupReceiver {
  /**
   * The answer to key number `index`. The receiver owns `value` (set with OK). `nodeId` is the node
   * that answered; `failure` (set with UNAVAILABLE) gives the reason.
   */
  receive(
    index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    nodeId: string,
    failure: SteleError | undefined,
  ): void;
  /** True once the answer is no longer wanted: no further replica is asked. */
  readonly abandoned: boolean;
}

/** One key that waits for its answer. */
export interface WaitingKey extends LookupKey {
  readonly target: LookupTarget;
  readonly shard: number;
  readonly index: number;
  readonly deadlineAtMs: number;
  /** Undefined once the key is settled, that is, its answer or its error has been passed on. */
  receiver: LookupReceiver | undefined;
  /** The table whose replicas the bits of `tried` refer to. */
  table: RouteTable | undefined;
  tried: number;
  /** Replicas that have been asked and have not answered. */
  asked: number;
  /** The ones among `asked` that are overdue, so that another replica is asked. */
  overdue: number;
  parkedTimes: number;
  hedged: boolean;
  lastError: SteleError | undefined;
}

/** Creates a key that no replica has been asked for yet. */
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
    lastError: undefined,
  };
}

/** Passes the outcome of a key to its receiver, once; later answers to the key are ignored. */
export function settle(
  waiting: WaitingKey,
  status: LookupStatus,
  value: Buffer | undefined,
  nodeId: string,
  failure: SteleError | undefined,
): void {
  const { receiver } = waiting;
  waiting.receiver = undefined;
  receiver?.receive(waiting.index, status, value, nodeId, failure);
}

/** Whether no further replica is to be asked for a key. */
export function isDone({ receiver }: WaitingKey): boolean {
  return receiver === undefined || receiver.abandoned;
}

/** Receives the answers to batches. */
export interface BatchOwner {
  /** Handles the answer to key number `batch.answered`. */
  onAnswer(batch: Batch, status: LookupStatus, bytes: Uint8Array, start: number, end: number): void;
  onFailure(batch: Batch, error: SteleError): void;
}

/** Keys of one event-loop tick that are sent to one node together. */
export class Batch implements LookupBatch {
  readonly slot: NodeSlot;
  /** Emptied once all are answered, so that they can be collected. */
  keys: WaitingKey[] = [];
  readonly #owner: BatchOwner;
  /** Total size of the keys. */
  byteCount = 0;
  /** Number of answered keys; answers arrive in order. */
  answered = 0;
  sentAtMs = 0;
  overdue = false;
  /** The error for keys that the node refused; one object for all. */
  refusal: SteleError | undefined;
  /** The earliest deadline of the keys that are not settled. */
  deadlineFirstMs = Number.POSITIVE_INFINITY;

  constructor(slot: NodeSlot, owner: BatchOwner) {
    this.slot = slot;
    this.#owner = owner;
  }

  /** Whether all keys are answered. */
  get isOver(): boolean {
    return this.answered >= this.keys.length;
  }

  /** Returns the next unanswered key and counts it as answered. */
  next(): WaitingKey {
    const waiting = this.keys[this.answered++] as WaitingKey;
    if (this.isOver) this.keys = [];
    return waiting;
  }

  onAnswer(status: LookupStatus, bytes: Uint8Array, start: number, end: number): void {
    this.#owner.onAnswer(this, status, bytes, start, end);
  }

  onFailure(error: SteleError): void {
    this.#owner.onFailure(this, error);
  }
}
