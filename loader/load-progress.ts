// The numbers of a running load: counted here, shown by whoever asked, reported to the master.

/** What a progress bar needs. */
export interface LoadProgress {
  readonly stage: 'parse' | 'build' | 'commit';
  /** Rows read, those of resumed chunks included. */
  readonly rows: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly rejected: number;
  readonly shardsDone: number;
  readonly shardsTotal: number;
  /** Since the load began. */
  readonly elapsedMs: number;
  readonly rowsPerSecond: number;
  readonly mbPerSecond: number;
  /** Undefined while there is nothing to go by. */
  readonly etaMs: number | undefined;
}

/** Parsing takes about this part of a load's time, building and sending the rest. */
const PARSE_SHARE = 0.5;

export class ProgressCounter {
  readonly #startedMs: number;
  readonly #nowMs: () => number;
  stage: LoadProgress['stage'] = 'parse';
  rows = 0;
  bytesDone = 0;
  bytesTotal = 0;
  rejected = 0;
  shardsDone = 0;
  shardsTotal = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
  }

  get elapsedMs(): number {
    return this.#nowMs() - this.#startedMs;
  }

  snapshot(): LoadProgress {
    const { bytesDone, bytesTotal, elapsedMs, rejected, rows, shardsDone, shardsTotal } = this;
    const seconds = Math.max(elapsedMs, 1) / 1000;
    const share = this.#shareDone();
    return {
      stage: this.stage,
      rows,
      bytesDone,
      bytesTotal,
      rejected,
      shardsDone,
      shardsTotal,
      elapsedMs,
      rowsPerSecond: Math.round(rows / seconds),
      mbPerSecond: Math.round(bytesDone / seconds / 1e5) / 10,
      etaMs: share > 0.02 ? Math.round((elapsedMs * (1 - share)) / share) : undefined,
    };
  }

  /** 0 to 1. */
  #shareDone(): number {
    const parsed = this.bytesTotal === 0 ? 0 : this.bytesDone / this.bytesTotal;
    const built = this.shardsTotal === 0 ? 0 : this.shardsDone / this.shardsTotal;
    return PARSE_SHARE * parsed + (1 - PARSE_SHARE) * built;
  }
}
