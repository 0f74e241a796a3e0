// The numbers of a backup, a restore or an export while it runs.

import { monotonicNowMs } from '../../base/clock.ts';

export type TransferStage =
  'plan' | 'copy' | 'push' | 'pull' | 'rows' | 'write' | 'check' | 'commit';

/** What a progress line needs. */
export interface TransferProgress {
  readonly stage: TransferStage;
  readonly objectsDone: number;
  readonly objectsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** In the present stage. */
  readonly bytesPerSecond: number;
  /** Undefined while there is too little to estimate from. */
  readonly etaMs: number | undefined;
}

const ETA_SHARE_MIN = 0.01;

export class TransferCounter {
  readonly #onProgress: (progress: TransferProgress) => void;
  readonly #startedMs = monotonicNowMs();
  #stage: TransferStage = 'plan';
  #stageMs = this.#startedMs;
  #objectsDone = 0;
  #objectsTotal = 0;
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(onProgress: (progress: TransferProgress) => void = () => undefined) {
    this.#onProgress = onProgress;
  }

  get elapsedMs(): number {
    return monotonicNowMs() - this.#startedMs;
  }

  begin(stage: TransferStage, objectsTotal = 0, bytesTotal = 0): void {
    this.#stage = stage;
    this.#stageMs = monotonicNowMs();
    this.#objectsDone = this.#bytesDone = 0;
    this.#objectsTotal = objectsTotal;
    this.#bytesTotal = bytesTotal;
    this.#report();
  }

  /** Counts one object that is done. */
  done(byteCount: number): void {
    this.#objectsDone++;
    this.#bytesDone += byteCount;
    this.#report();
  }

  #report(): void {
    const tookMs = Math.max(1, monotonicNowMs() - this.#stageMs);
    const share = this.#bytesTotal === 0 ? 0 : this.#bytesDone / this.#bytesTotal;
    this.#onProgress({
      stage: this.#stage,
      objectsDone: this.#objectsDone,
      objectsTotal: this.#objectsTotal,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      bytesPerSecond: Math.round((this.#bytesDone * 1000) / tookMs),
      etaMs: share < ETA_SHARE_MIN ? undefined : Math.round((tookMs * (1 - share)) / share),
    });
  }
}
