// The view that this master serves reads from: its own while it leads, and the leader's otherwise.
// While nobody leads, the last one stays: datanodes go on answering.

import { ClusterView, HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import type { ViewSource } from '../../proto/operations.ts';
import { ViewOrder } from '../../routing/view-order.ts';
import { systemTime, wallClockIso } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import { grpcPeers } from './peers.ts';
import type { MasterPeers } from './peers.ts';

/** A leader that cannot be reached for so long makes the view outdated. */
const OUTDATED_MS = 10_000;

/** The view before any has come. */
export const NOTHING_KNOWN: ClusterView = {
  ...ClusterView.decode(new Uint8Array(0)),
  shardCount: 1,
  health: HealthStatus.UNSPECIFIED,
};

export class ViewFeed implements ViewSource {
  readonly #listeners = new Set<(view: ClusterView) => void>();
  readonly #peers: Pick<MasterPeers, 'follow'>;
  readonly #time: Time;
  readonly #order: ViewOrder;
  #view = NOTHING_KNOWN;
  #detach: () => void = () => undefined;
  /** Since when the leader's views do not arrive; undefined: they do, or nobody leads. */
  #missingSinceMs: number | undefined;
  #silentSince: string | undefined;

  constructor(peers: Pick<MasterPeers, 'follow'> = grpcPeers(), time: Time = systemTime) {
    this.#peers = peers;
    this.#time = time;
    this.#order = new ViewOrder((view) => this.#take(view), { time });
  }

  current(): ClusterView {
    return this.#view;
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isCurrent(): boolean {
    const sinceMs = this.#missingSinceMs;
    return sinceMs === undefined || this.#time.nowMs() - sinceMs < OUTDATED_MS;
  }

  /** Since when no views arrive, also as nobody leads, in ISO 8601; undefined: they do. */
  silentSince(): string | undefined {
    return this.#silentSince;
  }

  /** From now on, takes the views of the leader in this process. */
  attach(source: ViewSource): void {
    this.#detach();
    this.#missingSinceMs = undefined;
    this.#silentSince = undefined;
    this.#detach = source.subscribe((view) => this.#order.offer(view));
    this.#order.offer(source.current());
  }

  /** From now on, takes the views of the master at `address`; undefined: of nobody. */
  follow(address: string | undefined): void {
    this.#detach();
    this.#detach = () => undefined;
    this.#missingSinceMs = address === undefined ? undefined : this.#time.nowMs();
    this.#silentSince ??= wallClockIso(this.#time);
    if (address === undefined) return;
    this.#detach = this.#peers.follow(address, {
      onView: (view) => {
        this.#missingSinceMs = undefined;
        this.#silentSince = undefined;
        this.#order.offer(view);
      },
      onLost: () => {
        this.#missingSinceMs ??= this.#time.nowMs();
        this.#silentSince ??= wallClockIso(this.#time);
      },
    });
  }

  close(): void {
    this.#detach();
    this.#order.close();
  }

  #take(view: ClusterView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener(view);
  }
}
