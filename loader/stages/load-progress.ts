// The numbers of a running load: counted here, shown by whoever asked, reported to the master.

/** What a progress bar needs. */
export interface LoadProgress {
  readonly stage: 'unpack' | 'compare' | 'parse' | 'build' | 'commit';
  /** Rows read, those of resumed chunks included. */
  readonly rows: number;
  /** Of the present stage: compressed bytes while unpacking, else the input's. */
  readonly bytesDone: number;
  /** 0 where it is not known (a stream). */
  readonly bytesTotal: number;
  readonly rejected: number;
  readonly shardsDone: number;
  readonly shardsTotal: number;
  /** Segments that each owner has acknowledged, by node id. */
  readonly acknowledged: readonly (readonly [string, number])[];
  /** Nodes that have acknowledged nothing for some seconds though segments are sent to them. */
  readonly awaited: readonly string[];
  /** Since the load began. */
  readonly elapsedMs: number;
  /** In the present stage. */
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
  #stageStartedMs: number;
  stage: LoadProgress['stage'] = 'parse';
  rows = 0;
  bytesDone = 0;
  bytesTotal = 0;
  rejected = 0;
  shardsDone = 0;
  shardsTotal = 0;
  /** Says what `awaited` is. */
  whoIsAwaited: () => readonly string[] = () => [];
  readonly #acknowledged = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
    this.#stageStartedMs = this.#startedMs;
  }

  /** The next stage, which has `bytesTotal` to read; `bytesDone` of them were read before. */
  begin(stage: LoadProgress['stage'], bytesTotal: number, bytesDone = 0): void {
    this.stage = stage;
    this.bytesDone = bytesDone;
    this.bytesTotal = bytesTotal;
    this.#stageStartedMs = this.#nowMs();
  }

  /** The shards begin, or begin again. */
  beginShards(total: number): void {
    this.shardsTotal = total;
    this.shardsDone = 0;
    this.#acknowledged.clear();
  }

  /** A node has one segment more. */
  acknowledge(nodeId: string): void {
    this.#acknowledged.set(nodeId, (this.#acknowledged.get(nodeId) ?? 0) + 1);
  }

  get elapsedMs(): number {
    return this.#nowMs() - this.#startedMs;
  }

  snapshot(): LoadProgress {
    const { bytesDone, bytesTotal, elapsedMs, rejected, rows, shardsDone, shardsTotal } = this;
    const seconds = Math.max(this.#nowMs() - this.#stageStartedMs, 1) / 1000;
    const share = this.#shareDone();
    return {
      stage: this.stage,
      rows,
      bytesDone,
      bytesTotal,
      rejected,
      shardsDone,
      shardsTotal,
      acknowledged: [...this.#acknowledged].sort(([a], [b]) => (a < b ? -1 : 1)),
      awaited: this.whoIsAwaited(),
      elapsedMs,
      rowsPerSecond: Math.round(rows / seconds),
      mbPerSecond: Math.round(bytesDone / seconds / 1e5) / 10,
      etaMs: share > 0.02 ? Math.round((elapsedMs * (1 - share)) / share) : undefined,
    };
  }

  /** 0 to 1. */
  #shareDone(): number {
    if (this.stage === 'unpack' || this.stage === 'compare') return 0;
    const parsed = this.bytesTotal === 0 ? 0 : this.bytesDone / this.bytesTotal;
    const built = this.shardsTotal === 0 ? 0 : this.shardsDone / this.shardsTotal;
    return PARSE_SHARE * parsed + (1 - PARSE_SHARE) * built;
  }
}
