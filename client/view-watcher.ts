// The client's copy of the cluster's view: watched from any master of the seeds, kept while none answers.

import { credentials } from '@grpc/grpc-js';
import { sleep } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { CHANNEL_OPTIONS } from '../proto/grpc-channel.ts';
import { steleErrorFromGrpc } from '../proto/grpc-errors.ts';
import { ClusterServiceClient } from '../proto/gen/stele/v1/cluster.ts';
import type { WatchViewResponse } from '../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';

const RECONNECT_MS = 250;

export class ViewWatcher {
  readonly #seeds: readonly string[];
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(view: ClusterView) => void>();
  readonly #finished: Promise<void>;
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

  /** Calls `listener` with each new view; returns how to stop that. */
  subscribe(listener: (view: ClusterView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The present view, or the first one to come. Throws UNAVAILABLE after `deadlineMs`. */
  async firstView(deadlineMs: number): Promise<ClusterView> {
    if (this.#view !== undefined) return this.#view;
    const arrived = new AbortController();
    const unsubscribe = this.subscribe(() => arrived.abort());
    await sleep(deadlineMs, AbortSignal.any([arrived.signal, this.#stop.signal]));
    unsubscribe();
    if (this.#view !== undefined) return this.#view;
    throw new SteleError(
      'UNAVAILABLE',
      `No master answers at ${this.#seeds.join(', ')} (${this.#lastError?.message ?? 'no reply yet'})`,
    );
  }

  async close(): Promise<void> {
    this.#stop.abort();
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
    const client = new ClusterServiceClient(seed, credentials.createInsecure(), CHANNEL_OPTIONS);
    const call = client.watchView({});
    const cancel = (): void => call.cancel();
    this.#stop.signal.addEventListener('abort', cancel, { once: true });
    try {
      for await (const { view } of call as AsyncIterable<WatchViewResponse>) {
        if (view !== undefined) this.#apply(view);
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
