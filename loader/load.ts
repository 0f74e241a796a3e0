// One bulk load, from its inputs to the committed version. `stele load` runs it.
//
//     inputs -> dialect -> BeginLoad -> [chunks -> runs] -> [shards -> segments -> owners] -> CommitLoad
//                                        stage 1             stage 2                          stage 3
//
// Nothing is visible before the commit. A kill at any moment costs at most the chunks and shards
// that were in progress; the same command resumes from there. The result depends on the input
// alone: not on the number of workers, the chunk size, crashes or the order in which tasks ended.

import { SteleError, toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { keyspaceName, shorten } from '../base/ids.ts';
import { inSpan } from '../base/process/tracing.ts';
import type { FieldReader } from '../base/process/tracing.ts';
import { checkRate } from './bytes/throttle.ts';
import { changeBehind } from './input/inputs.ts';
import { refuseTooLarge } from './plan/memory-plan.ts';
import { grpcLoadMaster } from './push/master-client.ts';
import type { LoadMaster } from './push/master-client.ts';
import type { LoadSettings } from './settings.ts';
import { clientIdentity } from '../transport/client-identity.ts';
import type { DialIdentity } from '../transport/dial-identity.ts';
import { beginLoad } from './stages/begin.ts';
import { finishLoad } from './stages/finish.ts';
import { checkGateFlags } from './stages/gate-flags.ts';
import type { JobHooks, LoadJob, PreparedJob } from './stages/load-job.ts';
import { withOpenJob, withPreparedJob } from './stages/open-job.ts';
import { alreadyCurrentSummary, inputSummary } from './stages/progress.ts';
import type { LoadSummary } from './stages/progress.ts';

export type { LoadProgress, LoadSummary } from './stages/progress.ts';

export interface LoadHooks extends JobHooks {
  /** Used instead of gRPC to `settings.master`. Closed at the end. */
  readonly master?: LoadMaster;
  /** The header or metadata `authorization`, in place of that of `settings.user`. */
  readonly authorization?: (() => string) | undefined;
  /**
   * The trace that the load is a part of, by the fields of the W3C context. Default: the active
   * span.
   */
  readonly partOf?: FieldReader;
}

const REASON_CHARACTERS_MAX = 500;
/**
 * The part of an estimate that counts: it comes from the first rows, and duplicates make shards
 * smaller.
 */
const SURE_SHARE = 0.5;
/** After these errors the load is over; after others it may be resumed. */
const FINAL_CODES: ReadonlySet<ErrorCode> = new Set([
  'TOO_MANY_REJECTS',
  'DUPLICATE_KEY',
  'INPUT_CHANGED',
  'INPUT_INVALID',
  'MEMORY_LIMIT',
  'LOAD_REJECTED',
] as const);

/**
 * Loads `settings.paths` into `settings.keyspace`. Rejects with a SteleError whose sentence says
 * what to do; the work folder then stays, and the same call resumes.
 */
export function runLoad(settings: LoadSettings, hooks: LoadHooks = {}): Promise<LoadSummary> {
  const attributes = { 'stele.keyspace': settings.keyspace, 'stele.mode': settings.mode };
  const { partOf = 'active' } = hooks;
  return inSpan('load', { attributes, parent: partOf }, async (span) => {
    const summary = await load(settings, hooks);
    span?.set({ 'stele.version': summary.version, 'stele.rows': summary.rows });
    return summary;
  });
}

async function load(settings: LoadSettings, hooks: LoadHooks): Promise<LoadSummary> {
  keyspaceName(settings.keyspace);
  checkGateFlags(settings);
  checkRate(settings.maxBytesPerSecond);
  const identity = clientIdentity(settings);
  const dialAs = { ...identity, authorization: hooks.authorization ?? identity.authorization };
  dialAs.tls?.watch(hooks.log);
  const master = hooks.master ?? grpcLoadMaster(settings.master, dialAs);
  try {
    return await withOpenJob(settings, hooks, {}, (open) =>
      // Starts the threads while waiting for the master.
      withPreparedJob(open, (job) => finishPrepared(job, master, dialAs)),
    );
  } catch (thrown) {
    throw explainStop(toSteleError(thrown), hooks.signal);
  } finally {
    master.close();
    dialAs.tls?.close();
  }
}

async function finishPrepared(
  preparedJob: PreparedJob,
  master: LoadMaster,
  dialAs: DialIdentity,
): Promise<LoadSummary> {
  const { job, response } = await inSpan('load begin', {}, () => beginLoad(preparedJob, master));
  if (job === undefined) {
    const { progress, settings } = preparedJob;
    const input = inputSummary(preparedJob.prepared.inputs);
    const { currentVersion } = response;
    return alreadyCurrentSummary(settings.keyspace, currentVersion, progress.elapsedMs, input);
  }
  try {
    refuseHopeless(job);
    return await finishLoad(job, master, response, dialAs);
  } catch (thrown) {
    const error = await changeBehind(thrown, job.found);
    await reportEnd(master, job, error);
    throw error;
  }
}

/**
 * Refuses, before hours of parsing, what could not be built even if it spread evenly over the
 * shards.
 */
function refuseHopeless({ plan, pool, prepared, settings, shardCount }: LoadJob): void {
  const { rowCost } = plan;
  const recordBytes = (prepared.bytesTotal * rowCost.recordFactor) / shardCount;
  const records = recordBytes / rowCost.recordBytes;
  const shard = { recordBytes, records };
  refuseTooLarge(undefined, shard, settings.memoryMax, pool.threads, SURE_SHARE);
}

/**
 * Reports the end of the load to the master at once. The master keeps the segments if the load may
 * be resumed.
 */
async function reportEnd(
  master: LoadMaster,
  { loadId, log }: LoadJob,
  error: SteleError,
): Promise<void> {
  const isResumable = !FINAL_CODES.has(error.code);
  const what = shorten(error.message, REASON_CHARACTERS_MAX);
  const reason = error.code === 'CANCELLED' ? 'interrupted' : `${error.code}: ${what}`;
  try {
    await master.abortLoad(loadId, reason, isResumable);
  } catch (thrown) {
    // Its lease expires by itself.
    log.debug(
      { err: toSteleError(thrown) },
      'the failure of the load was not reported to the master',
    );
  }
}

function explainStop(error: SteleError, signal: AbortSignal | undefined): SteleError {
  if (signal?.aborted !== true || error.code !== 'CANCELLED') return error;
  return new SteleError(
    'CANCELLED',
    'The load was interrupted; run the same command again and it goes on from where it was.',
    { cause: error },
  );
}
