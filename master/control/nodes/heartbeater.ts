// Heartbeats: one loop per node, all in parallel, so that a hanging node delays no other.
//
// Readers notice a hanging node before its next heartbeat does, and the connections of a dead node
// end at once. Both are reported here (`reportTrouble`, `connectionLost`) and trigger a heartbeat
// at once.
//
// A silent node is given up after the deadline, or earlier if others can take its place. Two
// conditions look like silence and are not the node's fault: this process has stalled and has not
// yet read what arrived; or the network to most nodes has become slower. Then the heartbeat gets
// more time. A third: peers close the connections of a process that stalls for seconds. A heartbeat
// that fails with such a connection is repeated once.
//
// Invariants: at most one heartbeat per node is in progress; each has a deadline; a loop ends when
// its node is stopped or the heartbeater closes, which cancels its call; trouble reports cause at
// most one extra heartbeat per node and interval, lost connections ten. An error in a callback is
// counted; it is not a missed heartbeat and does not end the loop.

import type { BackgroundTasks } from '../../../base/background.ts';
import { systemTime } from '../../../base/clock.ts';
import type { Cancel, Time } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import type { HeartbeatResponse, OrderHeader } from '../../../proto/gen/stele/v1/datanode.ts';
import type { ConnectionManager } from './connection-manager.ts';

const URGENT_FACTOR = 5;
/**
 * Time to answer, in intervals, if others can take the node's place. Otherwise the deadline
 * applies.
 */
const IMPATIENT_INTERVALS = 1.2;
/**
 * The same for a node that readers reported: it tolerates a round-trip step of 400 ms at the
 * default interval.
 */
const REPORTED_INTERVALS = 0.9;
/**
 * Lower bound of both: this multiple of the slowest recent heartbeat, so that a distant or slow
 * node is not given up.
 */
const TOOK_FACTOR = 3;
/** A check that runs later than this indicates a stall of this process. */
const STALL_MS = 50;
/** Time to read what has arrived after a stall. */
const READ_ON_MS = 50;
/** A stall of this length may have cost this process its connections, then and shortly after. */
const PAUSE_MS = 500;
const PAUSE_NOTICED_MS = 1_000;
/** gRPC's own deadline, as a multiple of ours, so that the check in this file decides first. */
const BACKSTOP_FACTOR = 2;
/** Consecutive misses after which a node is asked less often, and the largest factor. */
const MISSES_AT_FULL_RATE = 20;
const SLOWEST_FACTOR = 10;
/** Minimum time between extra heartbeats after lost connections, in intervals. */
const LOST_SHARE = 0.1;
/** Decay per heartbeat of the slowest recent duration. */
const TOOK_DECAY = 0.9;
const SLOTS_PER_INTERVAL = 20;

export interface HeartbeaterOptions {
  readonly intervalMs: number;
  readonly deadlineMs: number;
  readonly connections: ConnectionManager;
  readonly background: BackgroundTasks;
  readonly time?: Time;
  /** An empty `incarnation` is learnt from the answer. */
  readonly header: (nodeId: string) => OrderHeader;
  /** The revision of the present view. Nodes with another one learn of it. */
  readonly viewRevision?: () => number;
  /** Whether a node whose next report is awaited (it verifies its files) is asked more often. */
  readonly isUrgent?: (nodeId: string) => boolean;
  /** Whether others can take the place of any node. Then no node gets the whole deadline. */
  readonly isImpatient: () => boolean;
  /**
   * Throws if an answer shows that this master has been replaced; the answer then counts as missed.
   */
  readonly checkLeader?: (nodeId: string, response: HeartbeatResponse) => void;
  readonly onAnswer: (nodeId: string, response: HeartbeatResponse) => void;
  readonly onMiss: (nodeId: string, error: SteleError) => void;
}

/** The heartbeat loop of one node. */
class Loop {
  stopped = false;
  /** Ends the pause before the next heartbeat. */
  wake: (() => void) | undefined;
  /** Aborts the heartbeat in progress. Reused until it has aborted. */
  beat = new AbortController();
  beating = false;
  beatAtMs = 0;
  /** Time limit in milliseconds of the heartbeat in progress. */
  limitMs = 0;
  /** Time of the next check of the heartbeat in progress. */
  checkAtMs = 0;
  cancelCheck: Cancel | undefined;
  /** True if the next heartbeat has less time. */
  isReported = false;
  misses = 0;
  /** True if the last heartbeat failed because of a stall of this process and was repeated. */
  isRepeated = false;
  /** Duration of the slowest recent heartbeat. */
  tookMs = 0;
  isDue = false;
  reportedAtMs = Number.NEGATIVE_INFINITY;
  lostAtMs = Number.NEGATIVE_INFINITY;

  /** Starts the next heartbeat now. */
  beatNow(): void {
    this.isDue = true;
    this.wake?.();
  }

  /** Waits until then, or until the next heartbeat is due at once or the loop ends. */
  pause(delayMs: number, time: Time): Promise<void> {
    return new Promise((resolve) => {
      const cancel = time.after(delayMs, () => this.wake?.());
      this.wake = () => {
        cancel();
        this.wake = undefined;
        resolve();
      };
    });
  }

  end(): void {
    this.stopped = true;
    this.cancelCheck?.();
    this.wake?.();
    this.beat.abort();
  }
}

export class Heartbeater {
  readonly #options: HeartbeaterOptions;
  readonly #time: Time;
  readonly #loops = new Map<string, Loop>();
  /** Time of the end of the last stall of this process. */
  #resumedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: HeartbeaterOptions) {
    this.#options = options;
    this.#time = options.time ?? systemTime;
  }

  /** Starts the node's loop, or its next heartbeat if the loop runs. */
  start(nodeId: string): void {
    const running = this.#loops.get(nodeId);
    if (running !== undefined) return running.beatNow();
    const loop = new Loop();
    this.#loops.set(nodeId, loop);
    this.#options.background.run('heartbeat', () => this.#run(nodeId, loop));
  }

  /**
   * Reports trouble with the node. It is asked at once, and has less time to answer if others can
   * take its place.
   */
  reportTrouble(nodeId: string): void {
    const loop = this.#loops.get(nodeId);
    const nowMs = this.#time.nowMs();
    const { intervalMs, isImpatient } = this.#options;
    if (loop === undefined || nowMs - loop.reportedAtMs < intervalMs) return;
    loop.reportedAtMs = nowMs;
    if (isImpatient()) {
      if (loop.beating) this.#limit(loop, patienceMs(loop, intervalMs * REPORTED_INTERVALS));
      else loop.isReported = true;
    }
    loop.beatNow();
  }

  /**
   * Reports that the node's connection has ended. A preceding trouble report does not delay the
   * heartbeat.
   */
  connectionLost(nodeId: string): void {
    const loop = this.#loops.get(nodeId);
    const nowMs = this.#time.nowMs();
    if (loop === undefined || nowMs - loop.lostAtMs < this.#options.intervalMs * LOST_SHARE) return;
    loop.lostAtMs = nowMs;
    loop.beatNow();
  }

  stop(nodeId: string): void {
    this.#loops.get(nodeId)?.end();
    this.#loops.delete(nodeId);
  }

  close(): void {
    for (const nodeId of this.#loops.keys()) this.stop(nodeId);
  }

  async #run(nodeId: string, loop: Loop): Promise<void> {
    while (!loop.stopped) {
      const startedMs = this.#time.nowMs();
      let untilNextMs = this.#options.intervalMs;
      try {
        await this.#beat(nodeId, loop);
        untilNextMs = this.#untilNextMs(nodeId, loop);
      } catch (thrown) {
        this.#options.background.fault('heartbeat', thrown);
      }
      if (loop.stopped) break;
      const { intervalMs } = this.#options;
      // A minimum, so that a node that fails at once does not occupy the CPU.
      const restMs = Math.max(intervalMs / 10, untilNextMs - (this.#time.nowMs() - startedMs));
      if (!loop.isDue) {
        const nowMs = this.#time.nowMs();
        const dueAtMs = slotAfterMs(nowMs + restMs, intervalMs);
        await loop.pause(dueAtMs - nowMs, this.#time);
        this.#noteTimer(dueAtMs);
      }
      loop.isDue = false;
    }
  }

  /**
   * Asks a node less and less often that has been silent for long; it also registers when it is
   * back.
   */
  #untilNextMs(nodeId: string, { misses }: Loop): number {
    const { intervalMs, isUrgent } = this.#options;
    if (isUrgent?.(nodeId) === true) return intervalMs / URGENT_FACTOR;
    return intervalMs * Math.min(SLOWEST_FACTOR, Math.max(1, misses / MISSES_AT_FULL_RATE));
  }

  async #beat(nodeId: string, loop: Loop): Promise<void> {
    const { background, connections, deadlineMs, header, onAnswer, onMiss, viewRevision } =
      this.#options;
    const link = connections.probe(nodeId);
    if (link === undefined) return;
    if (loop.beat.signal.aborted) loop.beat = new AbortController();
    const request = { header: header(nodeId), viewRevision: viewRevision?.() };
    this.#begin(loop);
    let response: HeartbeatResponse;
    try {
      const options = { deadlineMs: deadlineMs * BACKSTOP_FACTOR, signal: loop.beat.signal };
      response = await link.heartbeat(request, options);
      if (response.nodeId !== nodeId) throw wrongNodeError(nodeId, response.nodeId);
      this.#options.checkLeader?.(nodeId, response);
    } catch (thrown) {
      if (loop.stopped) return;
      // Only a stalled process reaches this deadline before its own check.
      const isStalled = this.#time.nowMs() - loop.beatAtMs >= deadlineMs * BACKSTOP_FACTOR;
      if (isStalled && !loop.beat.signal.aborted) return loop.beatNow();
      if (this.#isFromStall(loop, thrown)) {
        loop.isRepeated = true;
        return loop.beatNow();
      }
      loop.misses++;
      const isPresent = connections.report(nodeId, link, false);
      const error = toSteleError(thrown);
      if (isPresent) background.guard('missed heartbeat', () => onMiss(nodeId, error));
      return;
    } finally {
      loop.beating = false;
      loop.cancelCheck?.();
    }
    if (loop.stopped) return;
    loop.misses = 0;
    loop.isRepeated = false;
    loop.tookMs = Math.max(this.#time.nowMs() - loop.beatAtMs, loop.tookMs * TOOK_DECAY);
    const isPresent = connections.report(nodeId, link, true);
    if (isPresent) background.guard('heartbeat answer', () => onAnswer(nodeId, response));
  }

  /** Checks for a stall: a timer that was due at `dueAtMs` has fired now. */
  #noteTimer(dueAtMs: number): void {
    const nowMs = this.#time.nowMs();
    if (nowMs - dueAtMs > PAUSE_MS) this.#resumedAtMs = nowMs;
  }

  /** Whether the heartbeat failed because its connection ended during a stall of this process. */
  #isFromStall({ isRepeated }: Loop, thrown: unknown): boolean {
    const isRecent = this.#time.nowMs() - this.#resumedAtMs < PAUSE_NOTICED_MS;
    return isRecent && !isRepeated && toSteleError(thrown).code === 'UNAVAILABLE';
  }

  #begin(loop: Loop): void {
    const { deadlineMs, intervalMs, isImpatient } = this.#options;
    loop.beating = true;
    loop.beatAtMs = this.#time.nowMs();
    const intervals = loop.isReported ? REPORTED_INTERVALS : IMPATIENT_INTERVALS;
    loop.isReported = false;
    loop.limitMs = deadlineMs;
    if (isImpatient()) this.#limit(loop, patienceMs(loop, intervalMs * intervals));
    else this.#checkLater(loop, deadlineMs);
  }

  /** Limits the time of the heartbeat in progress. */
  #limit(loop: Loop, limitMs: number): void {
    loop.limitMs = Math.min(loop.limitMs, limitMs);
    this.#checkLater(loop, loop.beatAtMs + loop.limitMs - this.#time.nowMs());
  }

  /** Schedules a check, after the I/O of its event-loop tick. */
  #checkLater(loop: Loop, delayMs: number): void {
    loop.cancelCheck?.();
    loop.checkAtMs = this.#time.nowMs() + Math.max(0, delayMs);
    const { beatAtMs } = loop;
    const { checkAtMs } = loop;
    loop.cancelCheck = this.#time.after(Math.max(0, delayMs), () => {
      this.#noteTimer(checkAtMs);
      this.#time.soon(() => this.#check(loop, beatAtMs));
    });
  }

  /** Gives the heartbeat up, unless its answer may be here unread, or most nodes are late. */
  #check(loop: Loop, beatAtMs: number): void {
    if (!loop.beating || loop.beatAtMs !== beatAtMs) return;
    const nowMs = this.#time.nowMs();
    if (nowMs - loop.checkAtMs > STALL_MS) return this.#checkLater(loop, READ_ON_MS);
    const { deadlineMs } = this.#options;
    if (loop.limitMs < deadlineMs && this.#mostWait(loop, nowMs)) {
      loop.limitMs = deadlineMs;
      return this.#checkLater(loop, beatAtMs + deadlineMs - nowMs);
    }
    loop.beat.abort();
  }

  /** Whether at least half of the other nodes that answered last time are late as well. */
  #mostWait(loop: Loop, nowMs: number): boolean {
    const leastMs = (nowMs - loop.beatAtMs) / 2;
    let others = 0;
    let late = 0;
    for (const other of this.#loops.values()) {
      if (other === loop || other.misses > 0) continue;
      others++;
      const isLate = other.beating && nowMs - other.beatAtMs > patienceMs(other, leastMs);
      if (isLate) late++;
    }
    return late > 0 && late * 2 >= others;
  }
}

/** The time that a replaceable node has to answer. */
function patienceMs(loop: Loop, leastMs: number): number {
  return Math.ceil(Math.max(leastMs, loop.tookMs * TOOK_FACTOR));
}

/** Time until the next slot: loops that wake up together cost a large cluster fewer wake-ups. */
function slotAfterMs(atMs: number, intervalMs: number): number {
  const slotMs = Math.max(1, Math.floor(intervalMs / SLOTS_PER_INTERVAL));
  return Math.ceil(atMs / slotMs) * slotMs;
}

function wrongNodeError(expected: string, found: string): SteleError {
  return new SteleError('WRONG_NODE', `Datanode ${found} answers at the address of ${expected}.`);
}
