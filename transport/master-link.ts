// One connection to one of several masters, and the choice of the first of several that is ready.
//
//     t = 0        250 ms            500 ms
//     |-- a:8400 ----------------------------> hangs
//                  |-- b:8400 --> refused
//                              |-- c:8400 ---> ready: chosen, and the others are closed
//
// A master that refuses is followed by the next one at once. A master that accepts the connection
// and is silent (a stopped process) is not ready, as grpc-js waits for the first frame of the peer.

import { connectivityState } from '@grpc/grpc-js';
import type { Client } from '@grpc/grpc-js';
import { unwatchAbort, watchAbort } from '../base/abort.ts';
import { monotonicNowMs } from '../base/clock.ts';
import type { MasterTarget } from './master-targets.ts';

/** As in RFC 8305 (Happy Eyeballs). */
const STAGGER_MS = 250;

export class MasterLink<Of extends Client> {
  readonly to: MasterTarget;
  readonly client: Of;
  #callCount = 0;
  #isRetired = false;

  constructor(to: MasterTarget, client: Of) {
    this.to = to;
    this.client = client;
  }

  get isReady(): boolean {
    return this.#state() === connectivityState.READY;
  }

  /** Whether the last attempt to connect has failed: a call would fail at once, with the reason. */
  get hasFailed(): boolean {
    return this.#state() === connectivityState.TRANSIENT_FAILURE;
  }

  /** Starts to connect. Calls `settled` once, with the outcome of the first attempt. */
  connect(settled: (isReady: boolean) => void): void {
    if (this.#isRetired || this.hasFailed) return settled(false);
    if (this.isReady) return settled(true);
    const channel = this.client.getChannel();
    channel.watchConnectivityState(channel.getConnectivityState(true), Infinity, () =>
      this.connect(settled),
    );
  }

  /** Runs a call; the connection stays open until it has ended. */
  async run<Answer>(call: (client: Of) => Promise<Answer>): Promise<Answer> {
    this.#callCount++;
    try {
      return await call(this.client);
    } finally {
      this.#callCount--;
      if (this.#isRetired) this.#closeUnused();
    }
  }

  /** Closes the connection once its calls have ended. */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#closeUnused();
  }

  /** Closes the connection at once; calls in flight fail. */
  close(): void {
    this.#isRetired = true;
    this.client.close();
  }

  #closeUnused(): void {
    if (this.#callCount === 0) this.client.close();
  }

  #state(): connectivityState {
    return this.client.getChannel().getConnectivityState(false);
  }
}

/**
 * Connects one link after the other, until one is ready. Undefined if every attempt has failed, at
 * `untilMs` (monotonic), and when `signal` aborts. Closes no link.
 */
export function firstReady<Of extends Client>(
  links: readonly MasterLink<Of>[],
  untilMs: number,
  signal: AbortSignal | undefined,
): Promise<MasterLink<Of> | undefined> {
  return new Promise((resolve) => {
    let started = 0;
    let failed = 0;
    let stagger: NodeJS.Timeout | undefined;
    const end = (link?: MasterLink<Of>): void => {
      clearTimeout(stagger);
      clearTimeout(deadline);
      started = links.length;
      if (signal !== undefined) unwatchAbort(signal, end);
      resolve(link);
    };
    const startNext = (): void => {
      clearTimeout(stagger);
      const link = links[started];
      if (link === undefined) return;
      started++;
      stagger = setTimeout(startNext, STAGGER_MS);
      link.connect((isReady) => {
        if (isReady) end(link);
        else if (++failed === links.length) end();
        else startNext();
      });
    };
    const deadline = setTimeout(end, Math.max(0, untilMs - monotonicNowMs()));
    if (signal !== undefined) watchAbort(signal, end);
    startNext();
  });
}
