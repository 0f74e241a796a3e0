// One bulk load from its inputs to the committed version; what `stele load` runs.
//
//     inputs -> dialect -> BeginLoad -> [chunks -> runs] -> [shards -> segments -> owners] -> CommitLoad
//                                        stage 1             stage 2                          stage 3
//
// Nothing is visible before the commit. Until then a kill at any moment costs at most the chunks and
// shards that were being worked on; the same command goes on from there. The result depends on the
// input alone: not on workers, chunk size, crashes or the order in which anything ended.

import { SteleError, toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { keyspaceName, shorten } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { BeginLoadResponse } from '../proto/gen/stele/v1/load.ts';
import { beginLoad } from './stages/begin.ts';
import type { Begun } from './stages/begin.ts';
import { checkGateFlags } from './stages/gate.ts';
import { finishLoad } from './stages/finish.ts';
import { changeBehind } from './input/inputs.ts';
import { prepareRun, withLoadRun } from './stages/load-run.ts';
import type { LoadRun, RunHooks } from './stages/load-run.ts';
import type { LoadState } from './stages/load-state.ts';
import { refuseTooLarge } from './plan/memory-plan.ts';
import { grpcLoadMaster } from './push/master-client.ts';
import type { LoadMaster } from './push/master-client.ts';
import type { ChunkPlan } from './plan/chunk-plan.ts';
import type { PreparedInput } from './input/inputs.ts';
import type { LoadSettings } from './settings.ts';
import { alreadyCurrentSummary, inputSummary } from './stages/summary.ts';
import type { LoadSummary } from './stages/summary.ts';
import { checkRate } from './bytes/throttle.ts';
import type { WorkPool } from './threads/work-pool.ts';

export type { LoadProgress } from './stages/load-progress.ts';
export type { LoadSummary } from './stages/summary.ts';

export interface LoadHooks extends RunHooks {
  /** Instead of gRPC to settings.master. Closed at the end. */
  readonly master?: LoadMaster;
}

const REASON_CHARACTERS_MAX = 500;
/** Of an estimate from the first rows; duplicates make shards smaller, too. */
const SURE_SHARE = 0.5;
/** After these the load is over for good; after others it may be taken up again. */
const FINAL_CODES: ReadonlySet<ErrorCode> = new Set([
  'TOO_MANY_REJECTS',
  'DUPLICATE_KEY',
  'INPUT_CHANGED',
  'INPUT_INVALID',
  'MEMORY_LIMIT',
  'LOAD_REJECTED',
] as const);

/**
 * Loads `settings.paths` into `settings.keyspace`. Rejects with a SteleError whose sentence says what
 * to do; the work folder then stays, and the same call resumes.
 */
export async function runLoad(settings: LoadSettings, hooks: LoadHooks = {}): Promise<LoadSummary> {
  keyspaceName(settings.keyspace);
  checkGateFlags(settings);
  checkRate(settings.maxBytesPerSecond);
  const master = hooks.master ?? grpcLoadMaster(settings.master);
  try {
    return await withLoadRun(settings, hooks, false, (run) => runIn({ ...run, master }));
  } catch (thrown) {
    throw explainStop(toSteleError(thrown), hooks.signal);
  } finally {
    master.close();
  }
}

interface Run extends LoadRun {
  readonly master: LoadMaster;
}

async function runIn(run: Run): Promise<LoadSummary> {
  const { progress, settings } = run;
  // The threads of the pool start while the master is asked.
  const { plan, pool, prepared } = await prepareRun(run);
  try {
    const { chunkBytes } = plan;
    const begun = await beginLoad({ ...run, signal: run.stop.signal, prepared, chunkBytes });
    const { checkpoint, response } = begun;
    if (checkpoint === undefined) {
      const input = inputSummary(prepared.inputs);
      const { currentVersion } = response;
      return alreadyCurrentSummary(settings.keyspace, currentVersion, progress.elapsedMs, input);
    }
    const state = stateOf(run, prepared, plan, begun, checkpoint, pool, response);
    return await finishBegun(run, state, response);
  } finally {
    await pool.close();
  }
}

async function finishBegun(
  { found, hooks, log, master }: Run,
  state: LoadState,
  response: BeginLoadResponse,
): Promise<LoadSummary> {
  try {
    refuseHopeless(state);
    return await finishLoad(state, { found, master, response, onProgress: hooks.onProgress });
  } catch (thrown) {
    const error = await changeBehind(thrown, found);
    await tellMaster(master, response.loadId, error, log);
    throw error;
  }
}

/** Before hours of parsing: what even an even spread over the shards could not build. */
function refuseHopeless({ pool, prepared, rowCost, settings, shardCount }: LoadState): void {
  const recordBytes = (prepared.bytesTotal * rowCost.recordFactor) / shardCount;
  const records = recordBytes / rowCost.recordBytes;
  const shard = { recordBytes, records };
  refuseTooLarge(undefined, shard, settings.memoryMax, pool.threads, SURE_SHARE);
}

function stateOf(
  run: Run,
  prepared: PreparedInput,
  plan: ChunkPlan,
  begun: Begun,
  checkpoint: LoadState['checkpoint'],
  pool: WorkPool,
  response: BeginLoadResponse,
): LoadState {
  const { folder, log, notice, progress, settings, stop } = run;
  const { keyspaceUid, loadId, shardCount } = response;
  const { binding, kept } = begun;
  const shared = { settings, log, notice, stop, prepared, folder, pool, progress };
  return { ...plan, ...shared, checkpoint, kept, loadId, keyspaceUid, shardCount, binding };
}

/** So that the master knows at once how the load ended; what it has sent is kept if it may be resumed. */
async function tellMaster(
  master: LoadMaster,
  loadId: string,
  error: SteleError,
  log: Logger,
): Promise<void> {
  const isResumable = !FINAL_CODES.has(error.code);
  const what = shorten(error.message, REASON_CHARACTERS_MAX);
  const reason = error.code === 'CANCELLED' ? 'interrupted' : `${error.code}: ${what}`;
  try {
    await master.abortLoad(loadId, reason, isResumable);
  } catch (thrown) {
    // Its lease will end by itself.
    log.debug({ err: toSteleError(thrown) }, 'the master was not told of the failed load');
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
