// The one retry layer of reads, in the master's front and in the library client. It gives each key
// to a replica and guarantees an answer by the deadline.
//
//            submit                 end of the tick            sink
//   key ───────────────▶ open batch ───────────────▶ running ───────▶ receiver.receive
//        choose replica  per node and                 │  UNAVAILABLE, rejected, offline: next replica
//              ▲         dataset                      │  slow: a second replica as well (hedge)
//              │                                      │  overdue: the next replica, node avoided
//              └───── parked: all were tried; waits ◀─┘
//                     for a new view or a delay
//
// Invariants: each key's receiver is called exactly once; a replica is asked at most once a round
// (a view, or a delay while the view stays the same); no key is kept beyond its deadline; keys in
// flight per node are bounded (LOOKUP_IN_FLIGHT_MAX). NOT_FOUND is only ever a datanode's answer.

import { setImmediate } from 'node:timers';
import { copyOf } from '../base/bytes.ts';
import { systemTime } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { LOOKUP_BATCH_KEYS_MAX, LOOKUP_REPLY_SOFT_BYTES } from '../base/limits.ts';
import { Sweeper } from '../base/sweeper.ts';
import { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import type { DatanodeLink } from '../proto/ports.ts';
import { HedgePolicy } from './hedging.ts';
import { noteAnswer, noteTrouble } from './node-slot.ts';
import type { NodeSlot } from './node-slot.ts';
import { ALL_BUSY, NONE_LEFT } from './router.ts';
import type { Router } from './router.ts';
import { Batch, isDone, settle } from './waiting.ts';
import type { BatchOwner, WaitingKey } from './waiting.ts';

const CHECK_INTERVAL_MS = 5;
/**
 * After a stall of this process no key expires for this time, so that replies received meanwhile
 * are read first.
 */
const STALL_GRACE_MS = 200;
const PARK_FIRST_MS = 10;
const PARK_MS_MAX = 100;

/** A sink for values that were read: the master's cache. */
export interface ValueStore {
  /**
   * Keeps a copy of the value that the datanode `nodeId` returned for `key`, if worthwhile. Called
   * only for datasets that may be cached.
   */
  put(dataset: number, key: Uint8Array, value: Uint8Array, nodeId: string): void;
}

interface Parked {
  readonly waiting: WaitingKey;
  readonly retryAtMs: number;
}

export interface DispatcherOptions {
  readonly router: Router;
  readonly cache?: ValueStore;
  /** The subject of the error after `close`, such as `The master`. */
  readonly owner: string;
  readonly links: (nodeId: string) => DatanodeLink | undefined;
  /** The reason why a node has no link, if known. */
  readonly whyNoLink?: (nodeId: string) => string | undefined;
  /** Called when a call to this node has failed or is overdue. */
  readonly onTrouble?: (nodeId: string) => void;
  readonly deadlineMs: number;
  readonly nowMs: Clock;
  /** A cheaper clock for per-key deadlines. It may be one event-loop tick late. */
  readonly tickNowMs: Clock;
}

export class Dispatcher implements BatchOwner {
  readonly #options: DispatcherOptions;
  readonly #hedging: HedgePolicy;
  readonly #closedReason: string;
  #openBatches: Batch[] = [];
  readonly #openByNode = new Map<NodeSlot, Batch>();
  #running: Batch[] = [];
  #parked: Parked[] = [];
  #flushScheduled = false;
  readonly #sweeper: Sweeper;
  #closed = false;
  #graceUntilMs = 0;
  retries = 0;
  hedges = 0;
  unavailable = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#closedReason = `${options.owner} is shutting down.`;
    this.#hedging = new HedgePolicy(options.deadlineMs);
    const { nowMs } = options;
    const sweep = (now: number): boolean => this.#check(now);
    // Keys submitted in the tick of the stall have deadlines from an outdated clock.
    const onStall = (now: number): void => void (this.#graceUntilMs = now + STALL_GRACE_MS);
    this.#sweeper = new Sweeper({
      intervalMs: CHECK_INTERVAL_MS,
      sweep,
      onStall,
      time: { ...systemTime, nowMs },
    });
  }

  /** Submits one key. Its receiver is called later, or at once if the answer cannot be known. */
  submit(waiting: WaitingKey): void {
    if (this.#closed) return this.#giveUp(waiting, 'UNAVAILABLE', this.#closedReason);
    if (waiting.target.starting !== undefined) {
      const error = this.#options.router.notStarted(waiting.target, waiting.shard);
      if (error !== undefined) return this.#reject(waiting, error);
    }
    this.#hedging.earn();
    this.#place(waiting);
  }

  /** Retries parked keys at once with the new view. */
  viewChanged(): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const { waiting } of parked) this.#retry(waiting);
  }

  /** Fails all waiting keys and rejects new ones. */
  close(): void {
    this.#closed = true;
    this.#sweeper.stop();
    const reason = this.#closedReason;
    for (const { waiting } of this.#parked) this.#giveUp(waiting, 'UNAVAILABLE', reason);
    for (const batch of [...this.#running, ...this.#openBatches]) {
      for (const waiting of batch.keys) this.#giveUp(waiting, 'UNAVAILABLE', reason);
    }
    this.#parked = [];
    this.#running = [];
    this.#openBatches = [];
    this.#openByNode.clear();
  }

  #place(waiting: WaitingKey): void {
    const { router } = this.#options;
    if (waiting.table !== router.table) {
      waiting.table = router.table;
      waiting.tried = 0;
    }
    const replicas = waiting.table.replicas[waiting.shard];
    if (replicas === undefined || replicas.length === 0) {
      if (waiting.asked > 0) return;
      const { shard, target } = waiting;
      const text = `No datanode that serves has shard ${shard} of keyspace '${target.keyspace}'.`;
      return this.#giveUp(waiting, 'UNAVAILABLE', text);
    }
    const choice = router.choose(replicas, waiting.tried, this.#options.tickNowMs());
    const slot = replicas[choice];
    if (slot !== undefined) {
      waiting.tried |= 1 << choice;
      return this.#append(slot, waiting);
    }
    if (waiting.asked > 0) return;
    if (choice === ALL_BUSY) {
      return this.#giveUp(waiting, 'OVERLOADED', 'Too many lookups are in flight; slow down.');
    }
    if (choice === NONE_LEFT) this.#park(waiting);
  }

  #append(slot: NodeSlot, waiting: WaitingKey): void {
    let batch = this.#openByNode.get(slot);
    if (
      batch === undefined ||
      batch.keys.length >= LOOKUP_BATCH_KEYS_MAX ||
      batch.byteCount >= LOOKUP_REPLY_SOFT_BYTES
    ) {
      batch = new Batch(slot, this);
      this.#openByNode.set(slot, batch);
      this.#openBatches.push(batch);
    }
    batch.keys.push(waiting);
    batch.byteCount += waiting.key.length;
    slot.inFlightBytes += waiting.key.length;
    if (waiting.deadlineAtMs < batch.deadlineFirstMs) batch.deadlineFirstMs = waiting.deadlineAtMs;
    waiting.asked++;
    slot.inFlight++;
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Sends the batches of this tick. */
  #flush(): void {
    this.#flushScheduled = false;
    const batches = this.#openBatches;
    this.#openBatches = [];
    this.#openByNode.clear();
    for (const batch of batches) this.#send(batch);
    this.#ensureTimer();
  }

  #send(batch: Batch): void {
    batch.sentAtMs = this.#options.nowMs();
    const { id } = batch.slot;
    const link = this.#options.links(id);
    if (link === undefined) {
      const why = this.#options.whyNoLink?.(id) ?? `${id} is offline.`;
      return this.onFailure(batch, new SteleError('UNAVAILABLE', why));
    }
    this.#running.push(batch);
    link.lookups.send(batch);
  }

  onAnswer(
    batch: Batch,
    status: LookupStatus,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const isFirst = batch.answered === 0;
    const waiting = batch.next();
    const { slot } = batch;
    const known = status === LookupStatus.OK || status === LookupStatus.NOT_FOUND;
    if (known && isFirst) this.#noteLatency(batch, waiting.receiver !== undefined);
    noteEnded(waiting, batch);
    if (waiting.receiver === undefined) return;
    if (!known) {
      // One error for the batch: a stack trace costs more than the batch.
      batch.refusal ??= new SteleError('UNAVAILABLE', `${slot.id} does not hold the shard.`);
      waiting.lastError = batch.refusal;
      return this.#retry(waiting);
    }
    if (status === LookupStatus.NOT_FOUND) {
      return settle(waiting, status, undefined, slot.id, undefined);
    }
    const value = copyOf(bytes, start, end);
    const { dataset, cached } = waiting.target;
    if (cached) this.#options.cache?.put(dataset, waiting.key, value, slot.id);
    settle(waiting, status, value, slot.id, undefined);
  }

  /**
   * Records the latency of a batch's first answer. `waitedFor`: no other replica answered that key
   * before.
   */
  #noteLatency(batch: Batch, waitedFor: boolean): void {
    const nowMs = this.#options.nowMs();
    const latencyMs = nowMs - batch.sentAtMs;
    if (waitedFor) this.#hedging.record(latencyMs);
    noteAnswer(batch.slot, latencyMs, !batch.overdue, nowMs);
  }

  /** Retries the keys that the node has not answered. */
  onFailure(batch: Batch, error: SteleError): void {
    this.#trouble(batch.slot, error.code === 'OVERLOADED');
    while (!batch.isOver) {
      const waiting = batch.next();
      noteEnded(waiting, batch);
      waiting.lastError = error;
      this.#retry(waiting);
    }
  }

  #trouble(slot: NodeSlot, isBusy: boolean): void {
    noteTrouble(slot, this.#options.nowMs());
    if (!isBusy) this.#options.onTrouble?.(slot.id);
  }

  #retry(waiting: WaitingKey): void {
    if (waiting.asked > 0 || isDone(waiting)) return;
    if (this.#closed) return this.#giveUp(waiting, 'UNAVAILABLE', this.#closedReason);
    if (this.#isOver(waiting, this.#options.nowMs())) return this.#expire(waiting);
    this.retries++;
    this.#place(waiting);
  }

  /**
   * Parks a key whose replicas were all tried. The next round starts after a delay or with a new
   * view.
   */
  #park(waiting: WaitingKey): void {
    const delayMs = Math.min(PARK_MS_MAX, PARK_FIRST_MS * 2 ** waiting.parkedTimes++);
    waiting.tried = 0;
    this.#parked.push({ waiting, retryAtMs: this.#options.nowMs() + delayMs });
    this.#ensureTimer();
  }

  #ensureTimer(): void {
    if (this.#closed || (this.#running.length === 0 && this.#parked.length === 0)) return;
    this.#sweeper.ensure();
  }

  #check(nowMs: number): boolean {
    if (this.#closed) return false;
    this.#running = this.#running.filter((batch) => !batch.isOver);
    for (const batch of this.#running) this.#inspect(batch, nowMs);
    this.#checkParked(nowMs);
    return this.#running.length > 0 || this.#parked.length > 0;
  }

  #inspect(batch: Batch, nowMs: number): void {
    const ageMs = nowMs - batch.sentAtMs;
    if (!batch.overdue && ageMs >= this.#hedging.overdueMs()) {
      batch.overdue = true;
      this.#trouble(batch.slot, false);
      for (let at = batch.answered; at < batch.keys.length; at++) {
        const waiting = batch.keys[at] as WaitingKey;
        waiting.overdue++;
        this.#askAnother(waiting, false);
      }
    } else if (!batch.overdue && ageMs >= this.#hedging.delayMs()) {
      for (let at = batch.answered; at < batch.keys.length; at++) {
        this.#askAnother(batch.keys[at] as WaitingKey, true);
      }
    }
    if (nowMs >= batch.deadlineFirstMs) this.#expireOf(batch, nowMs);
  }

  #expireOf(batch: Batch, nowMs: number): void {
    batch.deadlineFirstMs = Number.POSITIVE_INFINITY;
    for (let at = batch.answered; at < batch.keys.length; at++) {
      const waiting = batch.keys[at] as WaitingKey;
      if (waiting.receiver === undefined) continue;
      if (this.#isOver(waiting, nowMs)) this.#expire(waiting);
      else if (waiting.deadlineAtMs < batch.deadlineFirstMs) {
        batch.deadlineFirstMs = waiting.deadlineAtMs;
      }
    }
  }

  /**
   * Asks one more replica, unless a second one that is not overdue is already asked. The first
   * answer wins.
   */
  #askAnother(waiting: WaitingKey, budgeted: boolean): void {
    if (isDone(waiting)) return;
    if (waiting.asked - waiting.overdue > (budgeted ? 1 : 0)) return;
    if (budgeted) {
      const replicas = waiting.table?.replicas[waiting.shard];
      if (waiting.hedged || (replicas?.length ?? 0) < 2 || !this.#hedging.spend()) return;
      waiting.hedged = true;
      this.hedges++;
    }
    this.#place(waiting);
  }

  #checkParked(nowMs: number): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const entry of parked) {
      if (this.#isOver(entry.waiting, nowMs)) this.#expire(entry.waiting);
      else if (nowMs >= entry.retryAtMs) this.#retry(entry.waiting);
      else this.#parked.push(entry);
    }
  }

  #isOver({ deadlineAtMs }: WaitingKey, nowMs: number): boolean {
    return nowMs >= deadlineAtMs && nowMs >= this.#graceUntilMs;
  }

  /**
   * DEADLINE_EXCEEDED if a replica was too slow; UNAVAILABLE if all refused or none could be asked.
   */
  #expire(waiting: WaitingKey): void {
    const { asked, lastError: last, shard, target } = waiting;
    const isLate = asked > 0 || last?.code === 'DEADLINE_EXCEEDED';
    const code =
      last?.code === 'OVERLOADED' ? 'OVERLOADED' : isLate ? 'DEADLINE_EXCEEDED' : 'UNAVAILABLE';
    const what = isLate ? 'answered in time' : 'can be read now';
    const why = last === undefined ? '.' : `: ${last.message}`;
    this.#giveUp(
      waiting,
      code,
      `No replica of shard ${shard} of '${target.keyspace}' ${what}${why}`,
    );
  }

  #giveUp(waiting: WaitingKey, code: ErrorCode, reason: string): void {
    if (waiting.receiver !== undefined) this.#reject(waiting, new SteleError(code, reason));
  }

  #reject(waiting: WaitingKey, error: SteleError): void {
    this.unavailable++;
    settle(waiting, LookupStatus.UNAVAILABLE, undefined, '', error);
  }
}

/** Updates the counters: the node of `batch` is no longer asked for the key. */
function noteEnded(waiting: WaitingKey, { overdue, slot }: Batch): void {
  slot.inFlight--;
  slot.inFlightBytes -= waiting.key.length;
  waiting.asked--;
  if (overdue) waiting.overdue--;
}
