// The token of a user of etcd: asked for when it is needed, shared by all calls, and asked for
// again when etcd says that it is no longer valid.
//
// Invariants: at most one authentication is in flight; after a refused password, none begins for a
// time that doubles with each refusal, and calls fail at once with the same error.

import { SteleError } from '../../../base/errors.ts';
import { monotonicNowMs } from '../../../base/clock.ts';

const REFUSED_MS_MIN = 1000;
const REFUSED_MS_MAX = 60_000;

export class EtcdAuth {
  readonly #authenticate: () => Promise<string>;
  #token: string | undefined;
  #inFlight: Promise<string> | undefined;
  #refusal:
    { readonly error: SteleError; readonly forMs: number; readonly atMs: number } | undefined;

  /** `authenticate` resolves to a token, or to '' if etcd does not ask for any. */
  constructor(authenticate: () => Promise<string>) {
    this.#authenticate = authenticate;
  }

  async token(): Promise<string> {
    if (this.#token !== undefined) return this.#token;
    const { error, forMs, atMs } = this.#refusal ?? { forMs: 0, atMs: 0 };
    if (error !== undefined && monotonicNowMs() < atMs + forMs) throw error;
    this.#inFlight ??= this.#renew().finally(() => (this.#inFlight = undefined));
    return this.#inFlight;
  }

  /** `token` is no longer valid; a newer one stays. */
  forget(token: string): void {
    if (this.#token === token) this.#token = undefined;
  }

  async #renew(): Promise<string> {
    try {
      this.#token = await this.#authenticate();
      this.#refusal = undefined;
      return this.#token;
    } catch (thrown) {
      if (thrown instanceof SteleError && thrown.code === 'PERMISSION_DENIED') {
        const forMs = Math.min((this.#refusal?.forMs ?? REFUSED_MS_MIN / 2) * 2, REFUSED_MS_MAX);
        this.#refusal = { error: thrown, forMs, atMs: monotonicNowMs() };
      }
      throw thrown;
    }
  }
}
