// Keeps a load alive: tells the master the numbers at the interval it asked for, and passes the
// present owners on. The lease outlives a short absence of the master; a long one, or a master that
// no longer knows the load, stops it.

import { sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ReportProgressResponse } from '../../proto/gen/stele/v1/load.ts';
import type { LoadMaster } from '../push/master-client.ts';
import type { ProgressCounter } from './load-progress.ts';
import type { Targets } from '../push/targets.ts';

const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_DEFAULT = 1_000;
const INTERVAL_MS_MAX = 10_000;
/** The lease ends after ten intervals; short ones are given more, for a master that restarts. */
const LEASE_INTERVALS = 10;
const SILENCE_MS_MIN = 30_000;

export interface ReporterOptions {
  readonly master: LoadMaster;
  readonly loadId: string;
  readonly progressIntervalMs: number;
  readonly progress: ProgressCounter;
  readonly targets: Targets;
  readonly log: Logger;
  /** Called once `targets` has been brought up to date. */
  readonly onAnswer: () => void;
}

/**
 * Reports until `signal` aborts, then resolves. Rejects when the load has been cancelled at the
 * master, or the master has been silent for too long.
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

/** Tells the master the present numbers. Throws LOAD_REJECTED when the load is over there. */
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
