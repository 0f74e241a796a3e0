// The numbers of a load: counted while it runs, reported to the master, and summed up at its end.

import { sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { AppendOutcome, ReportProgressResponse } from '../../proto/gen/stele/v1/load.ts';
import type { InputFile } from '../input/inputs.ts';
import { dialectsOf, inputText } from '../detect/found-dialect.ts';
import type { FoundDialect } from '../detect/found-dialect.ts';
import type { LoadMaster } from '../push/master-client.ts';
import type { Targets } from '../push/targets.ts';

/** What a progress bar needs. */
export interface LoadProgress {
  readonly stage: 'unpack' | 'compare' | 'parse' | 'build' | 'commit';
  /** Rows read, those of resumed chunks included. */
  readonly rows: number;
  /** In the present stage: compressed bytes while unpacking, else bytes of input. */
  readonly bytesDone: number;
  /** 0 if it is not known (a stream). */
  readonly bytesTotal: number;
  readonly rejected: number;
  readonly shardsDone: number;
  readonly shardsTotal: number;
  /** Segments that each owner has acknowledged, by node id. */
  readonly acknowledged: readonly (readonly [string, number])[];
  /** Nodes that have acknowledged nothing for some seconds although segments are sent to them. */
  readonly awaited: readonly string[];
  /** Since the load began. */
  readonly elapsedMs: number;
  /** In the present stage. */
  readonly rowsPerSecond: number;
  readonly mbPerSecond: number;
  /** Undefined while there is too little to estimate from. */
  readonly etaMs: number | undefined;
}

/** The part of a load's time that parsing takes; building and sending take the rest. */
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
  /** Returns the nodes that `LoadProgress.awaited` lists. */
  whoIsAwaited: () => readonly string[] = () => [];
  readonly #acknowledged = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
    this.#stageStartedMs = this.#startedMs;
  }

  /** Begins a stage that reads `bytesTotal` bytes, `bytesDone` of which have been read before. */
  begin(stage: LoadProgress['stage'], bytesTotal: number, bytesDone = 0): void {
    this.stage = stage;
    this.bytesDone = bytesDone;
    this.bytesTotal = bytesTotal;
    this.#stageStartedMs = this.#nowMs();
  }

  /** Begins the delivery of the shards, or begins it again. */
  beginShards(total: number): void {
    this.shardsTotal = total;
    this.shardsDone = 0;
    this.#acknowledged.clear();
  }

  /** Counts a segment that a node has acknowledged. */
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

const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_DEFAULT = 1_000;
const INTERVAL_MS_MAX = 10_000;
/** The lease ends after ten intervals; a short one is extended, for a master that restarts. */
const LEASE_INTERVALS = 10;
const SILENCE_MS_MIN = 30_000;

export interface ReporterOptions {
  readonly master: LoadMaster;
  readonly loadId: string;
  readonly progressIntervalMs: number;
  readonly progress: ProgressCounter;
  readonly targets: Targets;
  readonly log: Logger;
  /** Called after each answer, when `targets` is up to date. */
  readonly onAnswer: () => void;
}

/**
 * Keeps the load alive: reports its numbers to the master at the interval that the master asked
 * for, and updates `targets` from the answers. Resolves when `signal` aborts. Rejects when the load
 * was cancelled at the master, or when the master has not answered for longer than the lease.
 */
export async function reportUntil(options: ReporterOptions, signal: AbortSignal): Promise<void> {
  const asked = options.progressIntervalMs || INTERVAL_MS_DEFAULT;
  const intervalMs = Math.min(INTERVAL_MS_MAX, Math.max(INTERVAL_MS_MIN, asked));
  const silenceMsMax = Math.max(SILENCE_MS_MIN, intervalMs * LEASE_INTERVALS);
  let answeredAtMs = performance.now();
  for (;;) {
    await sleep(intervalMs, signal);
    if (signal.aborted) return;
    try {
      options.targets.update((await reportOnce(options, signal)).targets);
      options.onAnswer();
      answeredAtMs = performance.now();
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toSteleError(thrown);
      if (!error.retryable || performance.now() - answeredAtMs > silenceMsMax) throw error;
      options.log.warn({ code: error.code }, `progress not reported: ${error.message}`);
    }
  }
}

/** Reports the present numbers once. Throws LOAD_REJECTED if the load is over at the master. */
export async function reportOnce(
  { loadId, master, progress }: Pick<ReporterOptions, 'loadId' | 'master' | 'progress'>,
  signal: AbortSignal,
): Promise<ReportProgressResponse> {
  const { bytesDone, bytesTotal, rejected, rows, shardsDone, shardsTotal, stage } = progress;
  const answer = await master.reportProgress(
    { loadId, stage, rows, bytesDone, bytesTotal, rejected, shardsDone, shardsTotal },
    signal,
  );
  if (!answer.cancelled) return answer;
  throw new SteleError(
    'LOAD_REJECTED',
    `Load ${loadId} was stopped at the master: ${answer.reason || 'it is over'}. Nothing of it became visible; the same command begins again, with what it has parsed.`,
  );
}

/** How the inputs were read, as one line for people and format by format. */
export interface InputSummary {
  readonly text: string;
  readonly dialects: readonly FoundDialect[];
}

export function inputSummary(inputs: readonly InputFile[]): InputSummary {
  const dialects = dialectsOf(inputs);
  return { text: inputText(dialects), dialects };
}

/** The result of a load; `rows` = loaded + duplicates + rejected. */
export interface LoadSummary {
  readonly keyspace: string;
  readonly version: number;
  /** Rows read; blank lines and headers do not count. */
  readonly rows: number;
  readonly loaded: number;
  /** Rows whose key was there already: with the same value, or resolved by --on-conflict. */
  readonly duplicates: number;
  /** Of `duplicates`, those with another value, resolved by --on-conflict. */
  readonly overruled: number;
  readonly rejected: number;
  /** Of the rows loaded, those that took several lines of the file, by line ends in quotes. */
  readonly rowsOverLines: number;
  readonly input: InputSummary;
  /** Bytes of input. */
  readonly bytes: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly chunksResumed: number;
  readonly shardsResumed: number;
  /** Records of the whole version. */
  readonly records: number;
  /** Digest of the whole version: 32 hex digits, the same for the same set of pairs. */
  readonly digest: string;
  /**
   * Verified copies of the shard that had the fewest at the commit; 0 if the master does not say.
   */
  readonly replicas: number;
  /** Copies that the keyspace is to have; 0 if the master does not say. */
  readonly replication: number;
  /** What an append has changed; undefined after a replacing load. */
  readonly append: AppendOutcome | undefined;
  /** The current version came from this very input, so nothing was done. */
  readonly alreadyCurrent: boolean;
}

/** The summary of a load that had nothing to do. */
export function alreadyCurrentSummary(
  keyspace: string,
  version: number,
  elapsedMs: number,
  input: InputSummary,
): LoadSummary {
  return {
    keyspace,
    version,
    rows: 0,
    loaded: 0,
    duplicates: 0,
    overruled: 0,
    rejected: 0,
    rowsOverLines: 0,
    input,
    bytes: 0,
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: 0,
    chunksResumed: 0,
    shardsResumed: 0,
    records: 0,
    digest: '',
    replicas: 0,
    replication: 0,
    append: undefined,
    alreadyCurrent: true,
  };
}

/** Milliseconds as seconds with three decimals. */
export function roundSeconds(elapsedMs: number): number {
  return Math.round(elapsedMs) / 1000;
}

/** Rows per second, rounded. */
export function rowRate(rows: number, elapsedMs: number): number {
  return Math.round((rows * 1000) / Math.max(1, elapsedMs));
}
