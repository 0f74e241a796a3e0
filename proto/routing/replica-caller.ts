// Unary calls about one shard (scans, keys of a slot): one replica after the other until one answers.
//
// Invariant: a replica is asked at most once a call, and no call goes on beyond its deadline.

import type { Clock } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { CallOptions, DatanodeLink } from '../ports.ts';
import { noteTrouble } from './node-slot.ts';
import type { NodeSlot } from './node-slot.ts';
import type { Router } from './router.ts';

/** One node's part of the time there is, so that a silent one leaves time for another. */
const ATTEMPT_SHARE = 0.4;

export interface ReplicaCallerOptions {
  readonly router: Router;
  /** The link to a datanode, while it is online. */
  readonly links: (nodeId: string) => DatanodeLink | undefined;
  readonly nowMs: Clock;
}

type Call<Answer> = (link: DatanodeLink, nodeId: string, options: CallOptions) => Promise<Answer>;

export class ReplicaCaller {
  readonly #options: ReplicaCallerOptions;

  constructor(options: ReplicaCallerOptions) {
    this.#options = options;
  }

  /** Asks the replicas of a shard. Throws UNAVAILABLE when none answers, CANCELLED. */
  async ask<Answer>(
    shard: number,
    deadlineAtMs: number,
    call: Call<Answer>,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const { router, nowMs } = this.#options;
    const replicas = router.table.replicas[shard] ?? [];
    let failure: SteleError | undefined;
    for (let tried = 0; nowMs() < deadlineAtMs;) {
      const choice = router.choose(replicas, tried, nowMs());
      const slot = replicas[choice];
      if (slot === undefined) break;
      tried |= 1 << choice;
      try {
        return await this.call(slot, deadlineAtMs, call, signal);
      } catch (thrown) {
        failure = toSteleError(thrown);
        if (signal?.aborted === true) throw failure;
        if (failure.code !== 'OVERLOADED') noteTrouble(slot, nowMs());
      }
    }
    const why = failure === undefined ? 'none is there' : failure.message;
    throw new SteleError('UNAVAILABLE', `No replica of shard ${shard} answered: ${why}`);
  }

  /** Asks one node, with its part of the time that is left. Throws what the call throws. */
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
