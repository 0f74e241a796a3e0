// The reader's copy of the cluster's view, watched from any master among the seeds and kept while
// none answers.
//
// The seeds are tried in rotation, in random order. If a master accepts the connection and sends no
// view (its machine is gone, or the process is stopped), the watcher gives up soon and tries the
// next one. Its patience doubles after each round in which no master answered. It also leaves a
// master that turns out to be replaced (view-order.ts).

import { unwatchAbort, watchAbort } from '../base/abort.ts';
import { isAddress } from '../base/address.ts';
import { sleep, wallClockIso } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { openClient } from '../transport/grpc-channel.ts';
import { steleErrorFromGrpc } from '../transport/grpc-errors.ts';
import { reasonsOf } from '../transport/master-errors.ts';
import { masterTargets } from '../transport/master-targets.ts';
import type { MasterTarget } from '../transport/master-targets.ts';
import type { DialIdentity } from '../transport/dial-identity.ts';
import { ClusterServiceClient } from '../proto/gen/stele/v1/cluster.ts';
import type { WatchViewResponse } from '../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import { ViewOrder } from './view-order.ts';

const RECONNECT_MS = 250;
const PATIENCE_MS = 300;
const PATIENCE_MS_MAX = 5000;

/** Access to the reader's current view. */
export interface ClientViews {
  /** Undefined until the first view has arrived. */
  readonly view: ClusterView | undefined;
  /** Calls `listener` with each new view. Returns a function that unsubscribes. */
  subscribe(listener: (view: ClusterView) => void): () => void;
  /**
   * The current view, or the first one to arrive. Throws UNAVAILABLE after `deadlineMs`, on close,
   * and when `signal` aborts; UNAUTHENTICATED in place of it if a master refused the login.
   */
  firstView(deadlineMs: number, signal?: AbortSignal): Promise<ClusterView>;
  close(): Promise<void>;
}

interface ViewWatcherOptions extends DialIdentity {
  /** Orders the seeds. */
  readonly random?: () => number;
}

export class ViewWatcher implements ClientViews {
  readonly #identity: DialIdentity;
  readonly #seeds: readonly string[];
  readonly #targets: () => Promise<MasterTarget[]>;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(view: ClusterView) => void>();
  readonly #finished: Promise<void>;
  readonly #order = new ViewOrder((view) => this.#apply(view));
  #view: ClusterView | undefined;
  #silentSince: string | undefined;
  /** By seed. */
  readonly #lastErrors = new Map<string, SteleError>();

  /** Throws INVALID_ARGUMENT for a seed that is not host:port. */
  constructor(seeds: readonly string[], { authorization, random, tls }: ViewWatcherOptions = {}) {
    checkSeeds(seeds);
    this.#identity = { authorization, tls };
    this.#seeds = [...seeds];
    this.#targets = () => masterTargets(this.#seeds, random);
    this.#finished = this.#run();
  }

  get view(): ClusterView | undefined {
    return this.#view;
  }

  /** Since when no master sends views, in ISO 8601; undefined: one does, or none ever did. */
  get silentSince(): string | undefined {
    return this.#silentSince;
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
    const errors = [...this.#lastErrors.values()];
    const refused = errors.find(({ code }) => code === 'UNAUTHENTICATED');
    if (refused !== undefined) throw refused;
    throw new SteleError('UNAVAILABLE', `No master answers at ${this.#failuresText()}`);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#order.close();
    await this.#finished;
  }

  #failuresText(): string {
    const reasons = this.#seeds.map((address) => {
      const error = this.#lastErrors.get(address);
      if (error === undefined) return `${address} (no reply yet)`;
      return this.#seeds.length > 1
        ? reasonsOf([{ address, error }])
        : `${address} (${error.message})`;
    });
    return reasons.join(', ');
  }

  async #run(): Promise<void> {
    /** Those of this round that were not tried yet. */
    let left: MasterTarget[] = [];
    /** The master that was watched last. */
    let lost = '';
    /** Rounds without a view. */
    let silentRounds = 0;
    while (!this.#stop.signal.aborted) {
      if (left.length === 0) {
        left = await this.#targets();
        left.sort((a, b) => Number(a.target === lost) - Number(b.target === lost));
      }
      const to = left.shift();
      if (to === undefined || this.#stop.signal.aborted) return;
      const patienceMs = Math.min(PATIENCE_MS * 2 ** silentRounds, PATIENCE_MS_MAX);
      if (await this.#watch(to, patienceMs)) {
        lost = to.target;
        this.#silentSince ??= wallClockIso();
        left = [];
        silentRounds = 0;
      } else if (left.length === 0) {
        silentRounds++;
      }
      if (left.length === 0) await sleep(RECONNECT_MS, this.#stop.signal);
    }
  }

  /**
   * Follows one master until its stream ends or its views are of a replaced master, and keeps the
   * error. Returns whether it sent a view that counts.
   */
  async #watch({ address, isOnly, target }: MasterTarget, patienceMs: number): Promise<boolean> {
    let heard = false;
    let isLate = false;
    const options = { ...this.#identity, certifiedAs: address };
    const client = openClient(ClusterServiceClient, target, options);
    const call = client.watchView({});
    const cancel = (): void => call.cancel();
    watchAbort(this.#stop.signal, cancel);
    const impatience = setTimeout(() => {
      isLate = !heard && !isOnly;
      if (isLate) cancel();
    }, patienceMs);
    try {
      for await (const { view } of call as AsyncIterable<WatchViewResponse>) {
        if (view === undefined || this.#stop.signal.aborted) continue;
        if (!this.#order.offer(view) && !isOnly) break;
        heard = true;
        this.#silentSince = undefined;
      }
    } catch (thrown) {
      const late = new SteleError('DEADLINE_EXCEEDED', `${address} did not answer in time.`);
      this.#lastErrors.set(address, isLate ? late : steleErrorFromGrpc(thrown, address));
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
