// How long the master has been silent, and whether this node still serves without it.
//
// A datanode that hears no master goes on answering by the last view it was given. That view may have been
// replaced meanwhile: the node says so once the silence has lasted a while, and it stops answering
// where a bound is set for that (--serve-without-master-max).

import { SteleError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';

/** Masters ask twice a second; a restart of one takes a few seconds. */
const SILENCE_MS = 5000;

export class MasterContact {
  readonly #serveMaxMs: number;
  #heardAtMs: number | undefined;
  /** Of an earlier run, as a time of this run's clock: at or below its start. */
  #heardBeforeAtMs: number | undefined;

  /** `serveMaxMs`: how long this node answers without a master; 0: without a bound. */
  constructor(serveMaxMs: number) {
    this.#serveMaxMs = serveMaxMs;
  }

  /** The master was heard at `nowMs`, on the monotonic clock. */
  heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
  }

  /** An earlier run of this node heard it `agoMs` before `nowMs`. */
  heardBefore(agoMs: number, nowMs: number): void {
    this.#heardBeforeAtMs = nowMs - Math.max(0, agoMs);
  }

  /** When this run of the node heard the master last; undefined: never. */
  get heardAtMs(): number | undefined {
    return this.#heardAtMs;
  }

  /** For how long the master has been silent; 0 where no run of this node has ever heard one. */
  silentMs(nowMs: number): number {
    const at = this.#heardAtMs ?? this.#heardBeforeAtMs;
    return at === undefined ? 0 : Math.max(0, nowMs - at);
  }

  /** Whether what this node knows of the cluster may have been replaced. */
  isSilent(nowMs: number): boolean {
    return this.#heardAtMs === undefined || this.silentMs(nowMs) > SILENCE_MS;
  }

  /** Why this node must not answer reads any more; undefined: it may. */
  refusal(nowMs: number): SteleError | undefined {
    const silentMs = this.silentMs(nowMs);
    if (this.#serveMaxMs === 0 || silentMs <= this.#serveMaxMs) return undefined;
    return new SteleError(
      'UNAVAILABLE',
      `This datanode has not heard its master for ${formatDuration(silentMs)} and serves at most ${formatDuration(this.#serveMaxMs)} without one (--serve-without-master-max).`,
    );
  }
}
