// The client's copy of the cluster's view: watched from any master of the seeds, kept while none answers.

import { sleep } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { openClient } from '../proto/grpc-channel.ts';
import { steleErrorFromGrpc } from '../proto/grpc-errors.ts';
import { ClusterServiceClient } from '../proto/gen/stele/v1/cluster.ts';
import type { WatchViewResponse } from '../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import { ViewOrder } from './view-order.ts';

const RECONNECT_MS = 250;

/** The cluster's view as the client goes by it. */
export interface ClientViews {
  /** Undefined until the first one has come. */
  readonly view: ClusterView | undefined;
  /** Calls `listener` with each new view; returns how to stop that. */
  subscribe(listener: (view: ClusterView) => void): () => void;
  /**
   * The present view, or the first one to come. Throws UNAVAILABLE after `deadlineMs` or when closed;
   * an abort of `signal` ends the wait in the same way.
   */
  firstView(deadlineMs: number, signal?: AbortSignal): Promise<ClusterView>;
  close(): Promise<void>;
}

export class ViewWatcher implements ClientViews {
  readonly #seeds: readonly string[];
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(view: ClusterView) => void>();
  readonly #finished: Promise<void>;
  readonly #order = new ViewOrder((view) => this.#apply(view));
  #view: ClusterView | undefined;
  #lastError: SteleError | undefined;

  constructor(seeds: readonly string[]) {
    if (seeds.length === 0) throw new SteleError('INVALID_ARGUMENT', 'Give at least one seed.');
    this.#seeds = seeds;
    this.#finished = this.#run();
  }

  get view(): ClusterView | undefined {
    return this.#view;
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async firstView(deadlineMs: number, signal?: AbortSignal): Promise<ClusterView> {
    if (this.#view !== undefined) return this.#view;
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    const unsubscribe = this.subscribe(wake);
    for (const ending of [this.#stop.signal, signal]) ending?.addEventListener('abort', wake);
    if (signal?.aborted !== true) await sleep(deadlineMs, woken.signal);
    for (const ending of [this.#stop.signal, signal]) ending?.removeEventListener('abort', wake);
    unsubscribe();
    if (this.#view !== undefined) return this.#view;
    throw new SteleError(
      'UNAVAILABLE',
      `No master answers at ${this.#seeds.join(', ')} (${this.#lastError?.message ?? 'no reply yet'})`,
    );
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#order.close();
    await this.#finished;
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      const seed = this.#seeds[attempt % this.#seeds.length] ?? '';
      await this.#watch(seed);
      await sleep(RECONNECT_MS, this.#stop.signal);
    }
  }

  /** Follows one master until its stream ends; remembers why. */
  async #watch(seed: string): Promise<void> {
    const client = openClient(ClusterServiceClient, seed);
    const call = client.watchView({});
    const cancel = (): void => call.cancel();
    this.#stop.signal.addEventListener('abort', cancel, { once: true });
    try {
      for await (const { view } of call as AsyncIterable<WatchViewResponse>) {
        if (view !== undefined && !this.#stop.signal.aborted) this.#order.offer(view);
      }
    } catch (thrown) {
      this.#lastError = steleErrorFromGrpc(thrown, seed);
    } finally {
      this.#stop.signal.removeEventListener('abort', cancel);
      client.close();
    }
  }

  #apply(view: ClusterView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener(view);
  }
}
