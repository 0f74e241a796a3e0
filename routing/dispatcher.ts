// The one retry layer of a read, in the master's front and in the library client: hands each key to a replica and sees to it that it is answered.
//
//            submit                 end of the turn            sink
//   key ───────────────▶ open batch ───────────────▶ running ───────▶ receiver.receive
//        choose replica  per node and                 │  UNAVAILABLE, rejected, offline: next replica
//              ▲         dataset                      │  slow: a second replica beside it (hedge)
//              │                                      │  overdue: the next one, node avoided
//              └───── parked: all were tried; waits ◀─┘
//                     for a new view or a moment
//
// Invariants: each key's receiver is called exactly once; a replica is asked at most once a round
// (a view, or a wait when the view stays the same); no key is kept beyond its deadline; keys in
// flight per node are bounded (LOOKUP_IN_FLIGHT_MAX). NOT_FOUND is only ever a datanode's answer.

import { setImmediate } from 'node:timers';
import type { Clock } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { LOOKUP_BATCH_KEYS_MAX } from '../base/limits.ts';
import { Sweeper } from '../base/sweeper.ts';
import { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import type { DatanodeLink } from '../proto/ports.ts';
import { HedgePolicy } from './hedging.ts';
import { noteAnswer, noteTrouble } from './node-slot.ts';
import type { NodeSlot } from './node-slot.ts';
import { ALL_BUSY, NONE_LEFT } from './router.ts';
import type { Router } from './router.ts';
import type { ValueStore } from './value-store.ts';
import { copyOf, newBatch } from './waiting.ts';
import type { Batch, WaitingKey } from './waiting.ts';

const CHECK_INTERVAL_MS = 5;
/** After this process stood still no key expires for so long: what it was sent meanwhile is read first. */
const STALL_GRACE_MS = 200;
const PARK_FIRST_MS = 10;
const PARK_MS_MAX = 100;

interface Parked {
  readonly waiting: WaitingKey;
  readonly retryAtMs: number;
}

export interface DispatcherOptions {
  readonly router: Router;
  readonly cache?: ValueStore;
  /** Who asks, in what is said once it is closed: `The master`. */
  readonly owner: string;
  readonly links: (nodeId: string) => DatanodeLink | undefined;
  /** Why there is none, where that is known. */
  readonly whyNoLink?: (nodeId: string) => string | undefined;
  /** A call to this node failed or is overdue. */
  readonly onTrouble?: (nodeId: string) => void;
  readonly deadlineMs: number;
  readonly nowMs: Clock;
  /** The same for what is asked for every key: the time may be a turn old. */
  readonly turnNowMs: Clock;
}

export class Dispatcher {
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
    // Keys of the turn in which it stood still have their deadlines from a clock that stood still, too.
    const onStall = (now: number): void => void (this.#graceUntilMs = now + STALL_GRACE_MS);
    this.#sweeper = new Sweeper({ intervalMs: CHECK_INTERVAL_MS, sweep, onStall, nowMs });
  }

  /** Asks for one key; its receiver is called later, or at once when nobody can know the answer. */
  submit(waiting: WaitingKey): void {
    if (this.#closed) return this.#giveUp(waiting, 'UNAVAILABLE', this.#closedReason);
    if (waiting.target.starting !== undefined) {
      const error = this.#options.router.notStarted(waiting.target, waiting.shard);
      if (error !== undefined) return this.#reject(waiting, error);
    }
    this.#hedging.earn();
    this.#place(waiting);
  }

  /** A new view: what was parked is tried again at once. */
  viewChanged(): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const { waiting } of parked) this.#retry(waiting);
  }

  /** Fails everything that still waits; nothing is accepted from now on. */
  close(): void {
    this.#closed = true;
    this.#sweeper.stop();
    const reason = this.#closedReason;
    for (const { waiting } of this.#parked) this.#giveUp(waiting, 'UNAVAILABLE', reason);
    for (const batch of [...this.#running, ...this.#openBatches]) {
      for (const waiting of batch.waiting) {
        if (waiting !== undefined) this.#giveUp(waiting, 'UNAVAILABLE', reason);
      }
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
    const choice = router.choose(replicas, waiting.tried, this.#options.turnNowMs());
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
      batch.target !== waiting.target ||
      batch.keys.length >= LOOKUP_BATCH_KEYS_MAX
    ) {
      batch = newBatch(slot, waiting.target);
      this.#openByNode.set(slot, batch);
      this.#openBatches.push(batch);
    }
    batch.keys.push(waiting.key);
    batch.waiting.push(waiting);
    batch.open++;
    if (waiting.deadlineAtMs < batch.deadlineFirstMs) batch.deadlineFirstMs = waiting.deadlineAtMs;
    if (waiting.deadlineAtMs > batch.deadlineLastMs) batch.deadlineLastMs = waiting.deadlineAtMs;
    waiting.asked++;
    slot.inFlight++;
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Sends what this turn asked for. */
  #flush(): void {
    this.#flushScheduled = false;
    const batches = this.#openBatches;
    this.#openBatches = [];
    this.#openByNode.clear();
    for (const batch of batches) this.#send(batch);
    this.#ensureTimer();
  }

  #send(batch: Batch): void {
    const nowMs = this.#options.nowMs();
    batch.sentAtMs = nowMs;
    const link = this.#options.links(batch.slot.id);
    if (link === undefined) {
      const why = this.#options.whyNoLink?.(batch.slot.id) ?? `${batch.slot.id} is offline.`;
      return this.#fail(batch, new SteleError('UNAVAILABLE', why));
    }
    this.#running.push(batch);
    link.lookups
      .lookup(
        batch.target,
        batch.keys,
        (index, status, bytes, start, end) => {
          this.#answer(batch, index, status, bytes, start, end);
        },
        { deadlineMs: Math.max(STALL_GRACE_MS, batch.deadlineLastMs - nowMs) },
      )
      .then(
        () => this.#ended(batch),
        (thrown: unknown) => this.#fail(batch, toSteleError(thrown, 'UNAVAILABLE')),
      );
  }

  /** An error is only made where it is needed: its stack costs more than the batch. */
  #ended(batch: Batch): void {
    if (batch.open === 0) return;
    this.#fail(batch, new SteleError('UNAVAILABLE', `${batch.slot.id} left keys out.`));
  }

  #answer(
    batch: Batch,
    index: number,
    status: LookupStatus,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const waiting = batch.waiting[index];
    if (waiting === undefined) return;
    const known = status === LookupStatus.OK || status === LookupStatus.NOT_FOUND;
    if (known && batch.open === batch.keys.length) this.#noteLatency(batch, !waiting.settled);
    batch.waiting[index] = undefined;
    batch.open--;
    batch.slot.inFlight--;
    noteEnded(waiting, batch);
    if (waiting.settled) return;
    if (!known) {
      batch.refusal ??= new SteleError('UNAVAILABLE', `${batch.slot.id} does not hold the shard.`);
      waiting.lastError = batch.refusal;
      return this.#retry(waiting);
    }
    waiting.settled = true;
    if (status === LookupStatus.NOT_FOUND) {
      return waiting.receiver.receive(waiting.index, status, undefined, batch.slot.id, undefined);
    }
    const value = copyOf(bytes, start, end);
    const { dataset, cached } = waiting.target;
    const { cache } = this.#options;
    if (cached && cache !== undefined) {
      cache.put(dataset, waiting.key, value, batch.slot.id);
    }
    waiting.receiver.receive(waiting.index, status, value, batch.slot.id, undefined);
  }

  /** Of the first answer of a batch; `waitedFor`: no other replica was quicker. */
  #noteLatency(batch: Batch, waitedFor: boolean): void {
    const nowMs = this.#options.nowMs();
    const latencyMs = nowMs - batch.sentAtMs;
    if (waitedFor) this.#hedging.record(latencyMs);
    noteAnswer(batch.slot, latencyMs, !batch.overdue, nowMs);
  }

  /** The call is over: whatever it did not answer goes to the next replica. */
  #fail(batch: Batch, error: SteleError): void {
    if (batch.open === 0) return;
    this.#trouble(batch.slot, error.code === 'OVERLOADED');
    for (let index = 0; index < batch.waiting.length; index++) {
      const waiting = batch.waiting[index];
      if (waiting === undefined) continue;
      batch.waiting[index] = undefined;
      batch.slot.inFlight--;
      noteEnded(waiting, batch);
      waiting.lastError = error;
      if (!waiting.settled) this.#retry(waiting);
    }
    batch.open = 0;
  }

  #trouble(slot: NodeSlot, isBusy: boolean): void {
    noteTrouble(slot, this.#options.nowMs());
    if (!isBusy) this.#options.onTrouble?.(slot.id);
  }

  #retry(waiting: WaitingKey): void {
    if (waiting.asked > 0 || waiting.settled || waiting.receiver.abandoned) return;
    if (this.#closed) return this.#giveUp(waiting, 'UNAVAILABLE', this.#closedReason);
    if (this.#isOver(waiting, this.#options.nowMs())) return this.#expire(waiting);
    this.retries++;
    this.#place(waiting);
  }

  /** All replicas of this view were tried: the next round begins after a moment, or with a new view. */
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
    this.#running = this.#running.filter((batch) => batch.open > 0);
    for (const batch of this.#running) this.#inspect(batch, nowMs);
    this.#checkParked(nowMs);
    return this.#running.length > 0 || this.#parked.length > 0;
  }

  #inspect(batch: Batch, nowMs: number): void {
    const ageMs = nowMs - batch.sentAtMs;
    if (!batch.overdue && ageMs >= this.#hedging.overdueMs()) {
      batch.overdue = true;
      this.#trouble(batch.slot, false);
      for (const waiting of batch.waiting) {
        if (waiting === undefined) continue;
        waiting.overdue++;
        this.#askAnother(waiting, false);
      }
    } else if (!batch.overdue && ageMs >= this.#hedging.delayMs()) {
      for (const waiting of batch.waiting) this.#askAnother(waiting, true);
    }
    if (nowMs < batch.deadlineFirstMs) return;
    for (const waiting of batch.waiting) {
      if (waiting !== undefined && this.#isOver(waiting, nowMs)) this.#expire(waiting);
    }
  }

  /** Asks one more replica, unless one that is not overdue is being asked beside; the first answer wins. */
  #askAnother(waiting: WaitingKey | undefined, budgeted: boolean): void {
    if (waiting === undefined || waiting.settled || waiting.receiver.abandoned) return;
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

  /** Late is DEADLINE_EXCEEDED; UNAVAILABLE is what was refused or could not be asked until then. */
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
    if (!waiting.settled) this.#reject(waiting, new SteleError(code, reason));
  }

  #reject(waiting: WaitingKey, error: SteleError): void {
    waiting.settled = true;
    this.unavailable++;
    waiting.receiver.receive(waiting.index, LookupStatus.UNAVAILABLE, undefined, '', error);
  }
}

/** The replica that `batch` went to is no longer being asked for the key. */
function noteEnded(waiting: WaitingKey, batch: Batch): void {
  waiting.asked--;
  if (batch.overdue) waiting.overdue--;
}
