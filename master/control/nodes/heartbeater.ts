// Heartbeats: one loop a node, all in parallel, so that a node that hangs delays no other.
//
// Readers notice a node that stands still before its next heartbeat does, and the system tells at once of
// one that has died, as its connections end. Both say so (`doubt`, `connectionLost`), and it is asked at once.
//
// A node that is silent is given up after the deadline, or earlier where others can take its place. Two
// things look like silence and are none of the node's: this process stood still, and what has arrived is not
// read yet; and the network to most nodes has become slower. Then it is waited for longer. And peers end the
// connections of a process that stands still for seconds: a heartbeat that fails with such a connection when the
// process goes on is made again, once.
//
// Invariants: at most one heartbeat of a node is under way; each has a deadline; a loop ends when
// its node is stopped or the heartbeater closes, and its call is cancelled then; doubts cost a node
// at most one heartbeat more an interval, lost connections ten. What the callbacks throw is counted, is no
// missed heartbeat, and ends no loop.

import type { BackgroundTasks } from '../../../base/background.ts';
import { monotonicNowMs } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import type { HeartbeatResponse, OrderHeader } from '../../../proto/gen/stele/v1/datanode.ts';
import type { ConnectionManager } from './connection-manager.ts';

const URGENT_FACTOR = 5;
/** Intervals that a node has to answer, and not the whole deadline, where others can take its place. */
const IMPATIENT_INTERVALS = 1.2;
/** The same for one that readers doubt: above a step of 400 ms in round-trip time at the default interval. */
const DOUBT_INTERVALS = 0.9;
/** At least so many times what its heartbeats have taken: one that is far away or slow is not dead. */
const TOOK_FACTOR = 3;
/** A check that comes later than this finds a process that stood still. */
const STALL_MS = 50;
/** What such a process is given to read what has arrived. */
const READ_ON_MS = 50;
/** A process that stood still for so long may find its connections ended, and so soon after it went on. */
const PAUSE_MS = 500;
const PAUSE_NOTICED_MS = 1_000;
/** What gRPC waits longer than this file does, which is to be the one that gives up. */
const BACKSTOP_FACTOR = 2;
/** Misses in a row after which a node is asked less often, and how much less at most. */
const MISSES_AT_FULL_RATE = 20;
const SLOWEST_FACTOR = 10;
/** Lost connections are looked at once in this part of an interval. */
const LOST_SHARE = 0.1;
/** How much of the slowest heartbeat is remembered at the next. */
const TOOK_DECAY = 0.9;
const SLOTS_PER_INTERVAL = 20;

export interface HeartbeaterOptions {
  readonly intervalMs: number;
  readonly deadlineMs: number;
  readonly connections: ConnectionManager;
  readonly background: BackgroundTasks;
  /** `incarnation` empty: whoever answers there is learnt from the answer. */
  readonly header: (nodeId: string) => OrderHeader;
  /** Of the present view: nodes that go by another one learn of it. */
  readonly viewRevision?: () => number;
  /** A node whose next report is waited for (it verifies its files) is asked more often. */
  readonly isUrgent?: (nodeId: string) => boolean;
  /** Others can take the place of any node: none is waited for as long as the deadline. */
  readonly isImpatient: () => boolean;
  /** Throws where an answer shows that this master has been replaced: it counts as none. */
  readonly checkLeader?: (nodeId: string, response: HeartbeatResponse) => void;
  readonly onAnswer: (nodeId: string, response: HeartbeatResponse) => void;
  readonly onMiss: (nodeId: string, error: SteleError) => void;
}

/** The loop of one node. */
class Loop {
  stopped = false;
  /** Ends the pause to the next heartbeat. */
  wake: (() => void) | undefined;
  /** Of the heartbeat that is under way, and of those after it until it is used. */
  beat = new AbortController();
  beating = false;
  beatAtMs = 0;
  /** How long the heartbeat under way may take. */
  limitMs = 0;
  /** When that is looked at next, and by which timer. */
  checkAtMs = 0;
  check: NodeJS.Timeout | undefined;
  /** The next heartbeat has less time. */
  doubted = false;
  misses = 0;
  /** Its last heartbeat was lost by a pause of this process, and was made again. */
  excused = false;
  /** What its slowest heartbeat took lately. */
  tookMs = 0;
  hurried = false;
  doubtedAtMs = Number.NEGATIVE_INFINITY;
  lostAtMs = Number.NEGATIVE_INFINITY;

  /** The next heartbeat begins now. */
  hurry(): void {
    this.hurried = true;
    this.wake?.();
  }

  /** Until then, unless it is hurried or ends. */
  nap(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake?.(), delayMs);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
    });
  }

  end(): void {
    this.stopped = true;
    clearTimeout(this.check);
    this.wake?.();
    this.beat.abort();
  }
}

export class Heartbeater {
  readonly #options: HeartbeaterOptions;
  readonly #loops = new Map<string, Loop>();
  /** When this process last went on after a pause. */
  #resumedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: HeartbeaterOptions) {
    this.#options = options;
  }

  /** Begins the node's loop, or hurries the one that runs. */
  start(nodeId: string): void {
    const running = this.#loops.get(nodeId);
    if (running !== undefined) return running.hurry();
    const loop = new Loop();
    this.#loops.set(nodeId, loop);
    this.#options.background.run('heartbeat', () => this.#run(nodeId, loop));
  }

  /** Somebody had trouble with the node: it is asked now, and must answer soon if others can take its place. */
  doubt(nodeId: string): void {
    const loop = this.#loops.get(nodeId);
    const nowMs = monotonicNowMs();
    const { intervalMs, isImpatient } = this.#options;
    if (loop === undefined || nowMs - loop.doubtedAtMs < intervalMs) return;
    loop.doubtedAtMs = nowMs;
    if (isImpatient()) {
      if (loop.beating) this.#limit(loop, patienceMs(loop, intervalMs * DOUBT_INTERVALS));
      else loop.doubted = true;
    }
    loop.hurry();
  }

  /** The node's connection has ended. Slow reads that were told just before do not hold this back. */
  connectionLost(nodeId: string): void {
    const loop = this.#loops.get(nodeId);
    const nowMs = monotonicNowMs();
    if (loop === undefined || nowMs - loop.lostAtMs < this.#options.intervalMs * LOST_SHARE) return;
    loop.lostAtMs = nowMs;
    loop.hurry();
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
      const startedMs = monotonicNowMs();
      let untilNextMs = this.#options.intervalMs;
      try {
        await this.#beat(nodeId, loop);
        untilNextMs = this.#untilNextMs(nodeId, loop);
      } catch (thrown) {
        this.#options.background.fault('heartbeat', thrown);
      }
      if (loop.stopped) break;
      const { intervalMs } = this.#options;
      // At least a moment, so that a node that fails at once does not get the whole processor.
      const restMs = Math.max(intervalMs / 10, untilNextMs - (monotonicNowMs() - startedMs));
      if (!loop.hurried) {
        const napMs = untilSlotMs(restMs, intervalMs);
        const dueAtMs = monotonicNowMs() + napMs;
        await loop.nap(napMs);
        this.#noteTimer(dueAtMs);
      }
      loop.hurried = false;
    }
  }

  /** One that has been silent for long is asked at a falling rate; it also registers when it is back. */
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
      if (response.nodeId !== nodeId) throw strangerError(nodeId, response.nodeId);
      this.#options.checkLeader?.(nodeId, response);
    } catch (thrown) {
      if (loop.stopped) return;
      // Only a process that stood still comes to this deadline before it has looked by itself.
      const isStalled = monotonicNowMs() - loop.beatAtMs >= deadlineMs * BACKSTOP_FACTOR;
      if (isStalled && !loop.beat.signal.aborted) return loop.hurry();
      if (this.#isOfPause(loop, thrown)) {
        loop.excused = true;
        return loop.hurry();
      }
      loop.misses++;
      const isPresent = connections.report(nodeId, link, false);
      const error = toSteleError(thrown);
      if (isPresent) background.guard('missed heartbeat', () => onMiss(nodeId, error));
      return;
    } finally {
      loop.beating = false;
      clearTimeout(loop.check);
    }
    if (loop.stopped) return;
    loop.misses = 0;
    loop.excused = false;
    loop.tookMs = Math.max(monotonicNowMs() - loop.beatAtMs, loop.tookMs * TOOK_DECAY);
    const isPresent = connections.report(nodeId, link, true);
    if (isPresent) background.guard('heartbeat answer', () => onAnswer(nodeId, response));
  }

  /** A timer that should have fired at `dueAtMs` has: late, if this process stood still. */
  #noteTimer(dueAtMs: number): void {
    const nowMs = monotonicNowMs();
    if (nowMs - dueAtMs > PAUSE_MS) this.#resumedAtMs = nowMs;
  }

  /** Whether the heartbeat failed with a connection that had ended while this process stood still. */
  #isOfPause({ excused }: Loop, thrown: unknown): boolean {
    const isRecent = monotonicNowMs() - this.#resumedAtMs < PAUSE_NOTICED_MS;
    return isRecent && !excused && toSteleError(thrown).code === 'UNAVAILABLE';
  }

  #begin(loop: Loop): void {
    const { deadlineMs, intervalMs, isImpatient } = this.#options;
    loop.beating = true;
    loop.beatAtMs = monotonicNowMs();
    const intervals = loop.doubted ? DOUBT_INTERVALS : IMPATIENT_INTERVALS;
    loop.doubted = false;
    loop.limitMs = deadlineMs;
    if (isImpatient()) this.#limit(loop, patienceMs(loop, intervalMs * intervals));
    else this.#checkLater(loop, deadlineMs);
  }

  /** The heartbeat under way has at most so long. */
  #limit(loop: Loop, limitMs: number): void {
    loop.limitMs = Math.min(loop.limitMs, limitMs);
    this.#checkLater(loop, loop.beatAtMs + loop.limitMs - monotonicNowMs());
  }

  /** The check runs after the I/O of its turn. */
  #checkLater(loop: Loop, delayMs: number): void {
    clearTimeout(loop.check);
    loop.checkAtMs = monotonicNowMs() + Math.max(0, delayMs);
    const { beatAtMs } = loop;
    const { checkAtMs } = loop;
    loop.check = setTimeout(
      () => {
        this.#noteTimer(checkAtMs);
        setImmediate(() => this.#check(loop, beatAtMs));
      },
      Math.max(0, delayMs),
    );
    loop.check.unref();
  }

  /** Gives the heartbeat up, unless its answer may be here, or nearly everybody's is late. */
  #check(loop: Loop, beatAtMs: number): void {
    if (!loop.beating || loop.beatAtMs !== beatAtMs) return;
    const nowMs = monotonicNowMs();
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

/** How long a node may take that others can stand in for. */
function patienceMs(loop: Loop, leastMs: number): number {
  return Math.ceil(Math.max(leastMs, loop.tookMs * TOOK_FACTOR));
}

/** Loops that wake up at the same moments cost a large cluster far fewer timers and wake-ups. */
function untilSlotMs(restMs: number, intervalMs: number): number {
  const slotMs = Math.max(1, Math.floor(intervalMs / SLOTS_PER_INTERVAL));
  const nowMs = monotonicNowMs();
  return Math.ceil((nowMs + restMs) / slotMs) * slotMs - nowMs;
}

function strangerError(expected: string, found: string): SteleError {
  return new SteleError('WRONG_NODE', `Datanode ${found} answers at the address of ${expected}.`);
}
