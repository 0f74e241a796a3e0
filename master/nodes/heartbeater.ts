// Heartbeats: one loop a node, all in parallel, so that a node that hangs delays no other.
//
// Invariants: at most one heartbeat of a node is under way; each has a deadline; a loop ends when
// its node is stopped or the heartbeater closes, and its call is cancelled then.

import type { BackgroundTasks } from '../../base/background.ts';
import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { HeartbeatResponse, OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import type { ConnectionManager } from './connection-manager.ts';

const URGENT_FACTOR = 5;

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

export class Heartbeater {
  readonly #options: HeartbeaterOptions;
  readonly #loops = new Map<string, AbortController>();
  readonly #naps = new Map<string, AbortController>();
  readonly #hurried = new Set<string>();

  constructor(options: HeartbeaterOptions) {
    this.#options = options;
  }

  /** Begins the node's loop, or hurries the one that runs. */
  start(nodeId: string): void {
    if (this.#loops.has(nodeId)) {
      this.#hurried.add(nodeId);
      this.#naps.get(nodeId)?.abort();
      return;
    }
    const stop = new AbortController();
    this.#loops.set(nodeId, stop);
    this.#options.background.run('heartbeat', () => this.#loop(nodeId, stop.signal));
  }

  stop(nodeId: string): void {
    this.#loops.get(nodeId)?.abort();
    this.#naps.get(nodeId)?.abort();
    this.#loops.delete(nodeId);
    this.#hurried.delete(nodeId);
  }

  close(): void {
    for (const nodeId of this.#loops.keys()) this.stop(nodeId);
  }

  async #loop(nodeId: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedMs = monotonicNowMs();
      await this.#beat(nodeId, signal);
      const { intervalMs, isUrgent } = this.#options;
      const untilNextMs = isUrgent?.(nodeId) === true ? intervalMs / URGENT_FACTOR : intervalMs;
      const restMs = untilNextMs - (monotonicNowMs() - startedMs);
      if (signal.aborted) break;
      if (this.#hurried.delete(nodeId)) continue;
      const nap = new AbortController();
      this.#naps.set(nodeId, nap);
      // At least a moment, so that a node that fails at once does not get the whole processor.
      await sleep(Math.max(intervalMs / 10, restMs), nap.signal);
      this.#hurried.delete(nodeId);
    }
  }

  async #beat(nodeId: string, signal: AbortSignal): Promise<void> {
    const { connections, deadlineMs, header, onAnswer, onMiss } = this.#options;
    const link = connections.probe(nodeId);
    if (link === undefined) return;
    try {
      const response = await link.heartbeat({ header: header(nodeId) }, { deadlineMs, signal });
      if (response.nodeId !== nodeId) throw strangerError(nodeId, response.nodeId);
      if (signal.aborted) return;
      if (connections.report(nodeId, link, true)) onAnswer(nodeId, response);
    } catch (thrown) {
      if (signal.aborted) return;
      if (connections.report(nodeId, link, false)) onMiss(nodeId, toSteleError(thrown));
    }
  }
}

function strangerError(expected: string, found: string): SteleError {
  return new SteleError('WRONG_NODE', `Datanode ${found} answers at the address of ${expected}.`);
}
