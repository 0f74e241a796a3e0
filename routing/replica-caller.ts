// Unary calls about one shard (scans, keys of a slot). Replicas are asked one after the other until
// one answers; if one is slow, the next is asked in parallel.
//
// Invariant: a call asks each replica at most once, and no call outlives its deadline or the abort
// of its signal, whatever the links do.

import { linkAbort } from '../base/abort.ts';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { CallOptions, DatanodeLink } from '../proto/ports.ts';
import { noteTrouble } from './node-slot.ts';
import type { NodeSlot } from './node-slot.ts';
import { NONE_LEFT } from './router.ts';
import type { Router } from './router.ts';

/**
 * The share of the remaining time that one node gets, so that a silent node leaves time for
 * another.
 */
const ATTEMPT_SHARE = 0.4;

/** If a replica has not answered after this time, the next one is asked in parallel. */
const HEDGE_MS = 250;

/** The outcome of asking one replica. */
type Attempt<Answer> =
  | { readonly slot: NodeSlot; readonly answer: Answer }
  | { readonly slot: NodeSlot; readonly error: SteleError };

export interface ReplicaCallerOptions {
  readonly router: Router;
  /** The link to a datanode; undefined while it is offline. */
  readonly links: (nodeId: string) => DatanodeLink | undefined;
  readonly nowMs: Clock;
}

type Call<Answer> = (link: DatanodeLink, nodeId: string, options: CallOptions) => Promise<Answer>;

export class ReplicaCaller {
  readonly #options: ReplicaCallerOptions;

  constructor(options: ReplicaCallerOptions) {
    this.#options = options;
  }

  /**
   * Asks the replicas of a shard. Throws UNAVAILABLE if none can be asked, DEADLINE_EXCEEDED,
   * CANCELLED.
   */
  async ask<Answer>(
    shard: number,
    deadlineAtMs: number,
    call: Call<Answer>,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const linked = linkAbort(signal);
    try {
      return await this.#askInTurn(shard, deadlineAtMs, call, linked.signal);
    } finally {
      // Cancels the attempts that are still running.
      linked.end();
    }
  }

  /** Starts the next attempt when one fails, or when none has answered for HEDGE_MS. */
  async #askInTurn<Answer>(
    shard: number,
    deadlineAtMs: number,
    call: Call<Answer>,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { router, nowMs } = this.#options;
    const replicas = router.table.replicas[shard] ?? [];
    const running = new Map<NodeSlot, Promise<Attempt<Answer>>>();
    let failure: SteleError | undefined;
    for (let tried = 0; ;) {
      const choice = nowMs() < deadlineAtMs ? router.choose(replicas, tried, nowMs()) : NONE_LEFT;
      const slot = replicas[choice];
      if (slot !== undefined) {
        tried |= 1 << choice;
        running.set(slot, this.#attempt(slot, deadlineAtMs, call, signal));
      }
      if (running.size === 0) break;
      const waitMs = slot === undefined ? Math.max(0, deadlineAtMs - nowMs()) : HEDGE_MS;
      const ended = await Promise.race([
        ...running.values(),
        sleep(waitMs, signal).then(() => undefined),
      ]);
      if (ended !== undefined && 'answer' in ended) return ended.answer;
      if (signal.aborted) throw new SteleError('CANCELLED', 'The call was cancelled.');
      if (ended === undefined) {
        if (slot === undefined) break;
        continue;
      }
      failure = ended.error;
      running.delete(ended.slot);
      if (failure.code !== 'OVERLOADED') noteTrouble(ended.slot, nowMs());
    }
    const isLate = running.size > 0 || failure?.code === 'DEADLINE_EXCEEDED';
    const silent = isLate ? 'none in time' : 'none is there';
    const why = failure === undefined ? silent : failure.message;
    const code = isLate ? 'DEADLINE_EXCEEDED' : 'UNAVAILABLE';
    throw new SteleError(code, `No replica of shard ${shard} answered: ${why}`);
  }

  #attempt<Answer>(
    slot: NodeSlot,
    deadlineAtMs: number,
    call: Call<Answer>,
    signal: AbortSignal,
  ): Promise<Attempt<Answer>> {
    return this.call(slot, deadlineAtMs, call, signal).then(
      (answer) => ({ slot, answer }),
      (thrown: unknown) => ({ slot, error: toSteleError(thrown) }),
    );
  }

  /** Asks one node within its share of the remaining time. Rethrows the error of the call. */
  async call<Answer>(
    slot: NodeSlot,
    deadlineAtMs: number,
    call: Call<Answer>,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const link = this.#options.links(slot.id);
    if (link === undefined) throw new SteleError('UNAVAILABLE', `${slot.id} is offline.`);
    const leftMs = deadlineAtMs - this.#options.nowMs();
    const deadlineMs = Math.max(1, Math.ceil(leftMs * ATTEMPT_SHARE));
    slot.inFlight++;
    try {
      return await call(
        link,
        slot.id,
        signal === undefined ? { deadlineMs } : { deadlineMs, signal },
      );
    } finally {
      slot.inFlight--;
    }
  }
}
