// Heartbeats: one loop a node, all in parallel, so that a node that hangs delays no other.
//
// Readers notice a node that has died or stands still before its next heartbeat does. They say so
// (`doubt`), and it is asked at once.
//
// Invariants: at most one heartbeat of a node is under way; each has a deadline; a loop ends when
// its node is stopped or the heartbeater closes, and its call is cancelled then; doubts cost a node
// at most one heartbeat more an interval.

import type { BackgroundTasks } from '../../base/background.ts';
import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { HeartbeatResponse, OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import type { ConnectionManager } from './connection-manager.ts';

const URGENT_FACTOR = 5;
/** A node in doubt has this part of an interval to answer. */
const DOUBT_SHARE = 0.5;
const SLOTS_PER_INTERVAL = 50;

export interface HeartbeaterOptions {
  readonly intervalMs: number;
  readonly deadlineMs: number;
  readonly connections: ConnectionManager;
  readonly background: BackgroundTasks;
  /** `incarnation` empty: whoever answers there is learnt from the answer. */
  readonly header: (nodeId: string) => OrderHeader;
  /** A node whose next report is waited for (it verifies its files) is asked more often. */
  readonly isUrgent?: (nodeId: string) => boolean;
  readonly onAnswer: (nodeId: string, response: HeartbeatResponse) => void;
  readonly onMiss: (nodeId: string, error: SteleError) => void;
}

/** The loop of one node. */
class Loop {
  readonly stop = new AbortController();
  nap: AbortController | undefined;
  beat: AbortController | undefined;
  hurried = false;
  doubtedAtMs = Number.NEGATIVE_INFINITY;

  /** The next heartbeat begins now. */
  hurry(): void {
    this.hurried = true;
    this.nap?.abort();
  }

  end(): void {
    this.stop.abort();
    this.nap?.abort();
    this.beat?.abort();
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

  /**
   * Somebody had trouble with the node: it is asked now. `impatient`: it must answer soon, because
   * others can take its place if it does not.
   */
  doubt(nodeId: string, impatient: boolean): void {
    const loop = this.#loops.get(nodeId);
    const nowMs = monotonicNowMs();
    const { intervalMs } = this.#options;
    if (loop === undefined || nowMs - loop.doubtedAtMs < intervalMs) return;
    loop.doubtedAtMs = nowMs;
    loop.hurry();
    if (!impatient) return;
    const cut = setTimeout(() => loop.beat?.abort(), intervalMs * DOUBT_SHARE);
    cut.unref();
  }

  stop(nodeId: string): void {
    this.#loops.get(nodeId)?.end();
    this.#loops.delete(nodeId);
  }

  close(): void {
    for (const nodeId of this.#loops.keys()) this.stop(nodeId);
  }

  async #run(nodeId: string, loop: Loop): Promise<void> {
    const { signal } = loop.stop;
    while (!signal.aborted) {
      const startedMs = monotonicNowMs();
      await this.#beat(nodeId, loop);
      const { intervalMs, isUrgent } = this.#options;
      const untilNextMs = isUrgent?.(nodeId) === true ? intervalMs / URGENT_FACTOR : intervalMs;
      const restMs = untilNextMs - (monotonicNowMs() - startedMs);
      if (signal.aborted) break;
      if (!loop.hurried) {
        loop.nap = new AbortController();
        // At least a moment, so that a node that fails at once does not get the whole processor.
        const wantedMs = Math.max(intervalMs / 10, restMs);
        await sleep(untilSlotMs(wantedMs, intervalMs), loop.nap.signal);
        loop.nap = undefined;
      }
      loop.hurried = false;
    }
  }

  async #beat(nodeId: string, loop: Loop): Promise<void> {
    const { connections, deadlineMs, header, onAnswer, onMiss } = this.#options;
    const stopped = loop.stop.signal;
    const link = connections.probe(nodeId);
    if (link === undefined) return;
    loop.beat = new AbortController();
    try {
      const options = { deadlineMs, signal: loop.beat.signal };
      const response = await link.heartbeat({ header: header(nodeId) }, options);
      if (response.nodeId !== nodeId) throw strangerError(nodeId, response.nodeId);
      if (stopped.aborted) return;
      if (connections.report(nodeId, link, true)) onAnswer(nodeId, response);
    } catch (thrown) {
      if (stopped.aborted) return;
      if (connections.report(nodeId, link, false)) onMiss(nodeId, toSteleError(thrown));
    } finally {
      loop.beat = undefined;
    }
  }
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
