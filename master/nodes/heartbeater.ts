// Heartbeats: one loop a node, all in parallel, so that a node that hangs delays no other.
//
// Readers notice a node that stands still before its next heartbeat does, and the system tells at once of
// one that has died, as its connections end. Both say so (`doubt`, `connectionLost`), and it is asked at once.
//
// Invariants: at most one heartbeat of a node is under way; each has a deadline; a loop ends when
// its node is stopped or the heartbeater closes, and its call is cancelled then; doubts cost a node
// at most one heartbeat more an interval, lost connections ten.

import type { BackgroundTasks } from '../../base/background.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { HeartbeatResponse, OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import type { ConnectionManager } from './connection-manager.ts';

const URGENT_FACTOR = 5;
/** Where others can take its place, a node has so many intervals to answer and not the whole deadline, */
const IMPATIENT_INTERVALS = 1.2;
/** one in doubt so many, */
const DOUBT_INTERVALS = 0.5;
/** or so many times what its heartbeats have taken: one that is far away or slow is not dead. */
const TOOK_FACTOR = 3;
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
    this.wake?.();
    this.beat.abort();
  }
}

export class Heartbeater {
  readonly #options: HeartbeaterOptions;
  readonly #loops = new Map<string, Loop>();

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
    loop.hurry();
    if (isImpatient()) cutLater(loop, patienceMs(loop, intervalMs * DOUBT_INTERVALS));
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
      await this.#beat(nodeId, loop);
      const { intervalMs, isUrgent } = this.#options;
      const untilNextMs = isUrgent?.(nodeId) === true ? intervalMs / URGENT_FACTOR : intervalMs;
      const restMs = untilNextMs - (monotonicNowMs() - startedMs);
      if (loop.stopped) break;
      // At least a moment, so that a node that fails at once does not get the whole processor.
      const wantedMs = Math.max(intervalMs / 10, restMs);
      if (!loop.hurried) await loop.nap(untilSlotMs(wantedMs, intervalMs));
      loop.hurried = false;
    }
  }

  async #beat(nodeId: string, loop: Loop): Promise<void> {
    const { connections, header, onAnswer, onMiss } = this.#options;
    const link = connections.probe(nodeId);
    if (link === undefined) return;
    if (loop.beat.signal.aborted) loop.beat = new AbortController();
    loop.beating = true;
    loop.beatAtMs = monotonicNowMs();
    try {
      const options = { deadlineMs: this.#deadlineMs(loop), signal: loop.beat.signal };
      const response = await link.heartbeat({ header: header(nodeId) }, options);
      if (response.nodeId !== nodeId) throw strangerError(nodeId, response.nodeId);
      this.#options.checkLeader?.(nodeId, response);
      if (loop.stopped) return;
      loop.tookMs = Math.max(monotonicNowMs() - loop.beatAtMs, loop.tookMs * TOOK_DECAY);
      if (connections.report(nodeId, link, true)) onAnswer(nodeId, response);
    } catch (thrown) {
      if (loop.stopped) return;
      if (connections.report(nodeId, link, false)) onMiss(nodeId, toSteleError(thrown));
    } finally {
      loop.beating = false;
    }
  }

  #deadlineMs(loop: Loop): number {
    const { deadlineMs, intervalMs, isImpatient } = this.#options;
    if (!isImpatient()) return deadlineMs;
    return Math.min(deadlineMs, patienceMs(loop, intervalMs * IMPATIENT_INTERVALS));
  }
}

/** How long a node may take that others can stand in for. */
function patienceMs(loop: Loop, leastMs: number): number {
  return Math.ceil(Math.max(leastMs, loop.tookMs * TOOK_FACTOR));
}

/** Ends the heartbeat that is under way, or about to begin, once it has taken `limitMs`. */
function cutLater(loop: Loop, limitMs: number, delayMs = limitMs): void {
  const timer = setTimeout(() => {
    if (!loop.beating) return;
    const restMs = loop.beatAtMs + limitMs - monotonicNowMs();
    if (restMs > 0) cutLater(loop, limitMs, restMs);
    else loop.beat.abort();
  }, delayMs);
  timer.unref();
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
