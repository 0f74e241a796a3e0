// The client's copy of the cluster's view: watched from any master of the seeds, kept while none answers.
//
// The seeds are tried in turn. One that is connected to and sends no view (its machine is gone, it stands still)
// is given up soon where there is another one to try, and has longer in each round in which none was heard.

import { unwatchAbort, watchAbort } from '../base/abort.ts';
import { isAddress } from '../base/address.ts';
import { sleep } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { openClient } from '../transport/grpc-channel.ts';
import { steleErrorFromGrpc } from '../transport/grpc-errors.ts';
import { ClusterServiceClient } from '../proto/gen/stele/v1/cluster.ts';
import type { WatchViewResponse } from '../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import { ViewOrder } from './view-order.ts';

const RECONNECT_MS = 250;
const PATIENCE_MS = 300;
const PATIENCE_MS_MAX = 5000;

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

  /** Throws INVALID_ARGUMENT. */
  constructor(seeds: readonly string[]) {
    checkSeeds(seeds);
    this.#seeds = [...seeds];
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
    const endings = signal === undefined ? [this.#stop.signal] : [this.#stop.signal, signal];
    for (const ending of endings) watchAbort(ending, wake);
    if (!endings.some(({ aborted }) => aborted)) await sleep(deadlineMs, woken.signal);
    for (const ending of endings) unwatchAbort(ending, wake);
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
    const seedCount = this.#seeds.length;
    /** In a row, without hearing of any. */
    let failures = 0;
    for (let attempt = 0; !this.#stop.signal.aborted; attempt++) {
      const seed = this.#seeds[attempt % seedCount] ?? '';
      const patienceMs = PATIENCE_MS * 2 ** Math.floor(failures / seedCount);
      const heard = await this.#watch(seed, Math.min(patienceMs, PATIENCE_MS_MAX));
      failures = heard ? 0 : failures + 1;
      if (failures % seedCount === 0) await sleep(RECONNECT_MS, this.#stop.signal);
    }
  }

  /** Follows one master until its stream ends, and remembers why; whether it was heard at all. */
  async #watch(seed: string, patienceMs: number): Promise<boolean> {
    let heard = false;
    const client = openClient(ClusterServiceClient, seed);
    const call = client.watchView({});
    const cancel = (): void => call.cancel();
    watchAbort(this.#stop.signal, cancel);
    const impatience = setTimeout(() => {
      if (!heard && this.#seeds.length > 1) cancel();
    }, patienceMs);
    try {
      for await (const { view } of call as AsyncIterable<WatchViewResponse>) {
        heard = true;
        if (view !== undefined && !this.#stop.signal.aborted) this.#order.offer(view);
      }
    } catch (thrown) {
      this.#lastError = steleErrorFromGrpc(thrown, seed);
    } finally {
      clearTimeout(impatience);
      unwatchAbort(this.#stop.signal, cancel);
      client.close();
    }
    return heard;
  }

  #apply(view: ClusterView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener(view);
  }
}

function checkSeeds(seeds: readonly string[]): void {
  if (!Array.isArray(seeds) || seeds.length === 0) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `Give at least one seed, as in { seeds: ['host:8400'] }.`,
    );
  }
  for (const seed of seeds) {
    if (isAddress(String(seed))) continue;
    throw new SteleError(
      'INVALID_ARGUMENT',
      `Seed '${String(seed)}' is not an address; give host:port, the gRPC address of a master.`,
    );
  }
}
