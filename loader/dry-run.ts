// `stele load --dry-run`: all of a load but its effects. Every row is parsed, every shard is built, so
// that duplicates and conflicts are those of a load; nothing is sent, no master is asked by it, and the work
// folder goes with the run.

import { randomBytes } from 'node:crypto';
import { keyspaceName, randomId } from '../base/ids.ts';
import { SHARD_COUNT_DEFAULT } from '../base/limits.ts';
import { BINDING_BYTES } from './run-file.ts';
import { addUp } from './commit.ts';
import type { CheckpointLog } from './checkpoint.ts';
import { tellConflicts } from './conflict-error.ts';
import { dialectsOf } from './found-dialect.ts';
import type { FoundDialect } from './found-dialect.ts';
import { checkGateFlags } from './gate.ts';
import { checkUnchanged } from './inputs.ts';
import { prepareRun, withLoadRun } from './load-run.ts';
import type { LoadRun, RunHooks } from './load-run.ts';
import type { LoadState, ParseStageResult, ShardStageResult } from './load-state.ts';
import { runParseStage } from './parse-stage.ts';
import type { ChunkPlan } from './chunk-plan.ts';
import type { PreparedInput } from './prepare.ts';
import { writeRejects } from './rejects-file.ts';
import { nameRejects } from './rejects.ts';
import type { LoadSettings } from './settings.ts';
import { runShardStage } from './shard-stage.ts';
import { roundSeconds } from './summary.ts';
import { readSample } from './sample.ts';
import type { SampleRecord } from './sample.ts';
import type { WorkPool } from './work-pool.ts';

/** `rows` = loaded + duplicates + conflicts + rejected. */
export interface DryRunReport {
  readonly keyspace: string;
  readonly dryRun: true;
  readonly wouldLoad: boolean;
  /** Sentences; empty where the load would be committed. */
  readonly why: readonly string[];
  readonly rows: number;
  /** Keys that the version would have. */
  readonly loaded: number;
  readonly duplicates: number;
  readonly overruled: number;
  readonly conflicts: number;
  readonly rejected: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
  /** As the version would have it; '' where there are conflicts. */
  readonly digest: string;
  /** Of those that are good, rows that took several lines of the file. */
  readonly rowsOverLines: number;
  readonly dialects: readonly FoundDialect[];
  /** As many as were asked for. */
  readonly sample: readonly SampleRecord[];
}

const NO_CHECKPOINT: CheckpointLog = {
  chunkDone: () => undefined,
  shardDone: () => undefined,
  committing: () => undefined,
};

/**
 * `shardCount` is that of the cluster that is meant. Throws what a load throws for an input that cannot be
 * loaded at all, and CANCELLED.
 */
export async function runDryRun(
  settings: LoadSettings,
  sampleCount: number,
  hooks: RunHooks = {},
  shardCount = SHARD_COUNT_DEFAULT,
): Promise<DryRunReport> {
  keyspaceName(settings.keyspace);
  checkGateFlags(settings);
  return await withLoadRun(settings, hooks, true, (run) => runIn(run, sampleCount, shardCount));
}

async function runIn(run: LoadRun, sampleCount: number, shardCount: number): Promise<DryRunReport> {
  const { found, hooks, progress, settings } = run;
  const { plan, pool, prepared } = await prepareRun(run);
  try {
    const state = stateOf(run, prepared, plan, pool, shardCount);
    const parsed = await runParseStage(state);
    if (settings.rejects !== undefined) await writeRejects(state, parsed.chunks, settings.rejects);
    progress.stage = 'build';
    hooks.onProgress?.(progress.snapshot());
    const taker = { deliver: () => Promise.resolve([]) };
    const built = await runShardStage(state, parsed, taker, new Map(), () =>
      Promise.resolve(undefined),
    );
    checkUnchanged(found);
    const { records } = readSample(prepared.inputs, sampleCount);
    return { ...reportOf(state, settings, parsed, built), sample: records };
  } finally {
    await pool.close();
  }
}

function stateOf(
  { folder, log, notice, progress, settings, stop }: LoadRun,
  prepared: PreparedInput,
  plan: ChunkPlan,
  pool: WorkPool,
  shardCount: number,
): LoadState {
  const shared = { log, notice, stop, prepared, folder, pool, progress };
  return {
    ...plan,
    ...shared,
    // Bad rows are counted to the last; the report says that they are too many.
    settings: { ...settings, maxRejects: Number.MAX_SAFE_INTEGER },
    checkpoint: NO_CHECKPOINT,
    kept: { chunks: new Map(), shards: new Map() },
    loadId: '',
    keyspaceUid: randomId(),
    shardCount,
    binding: randomBytes(BINDING_BYTES).toString('hex'),
  };
}

function reportOf(
  state: LoadState,
  settings: LoadSettings,
  parsed: ParseStageResult,
  { conflicts, shards }: ShardStageResult,
): Omit<DryRunReport, 'sample'> {
  const { elapsedMs } = state.progress;
  const { rejectedCount, rowCount } = parsed;
  const why = whyNot(state, settings, parsed, conflicts);
  const duplicates = shards.reduce((sum, shard) => sum + shard.duplicates, 0);
  const overruled = shards.reduce((sum, shard) => sum + shard.overruled, 0);
  const digest = conflicts.count > 0 ? '' : addUp(shards, rowCount).digest.toHex();
  const rows = rowCount + rejectedCount;
  return {
    keyspace: settings.keyspace,
    dryRun: true,
    wouldLoad: why.length === 0,
    why,
    rows,
    loaded: rowCount - duplicates - conflicts.count,
    duplicates,
    overruled,
    conflicts: conflicts.count,
    rejected: rejectedCount,
    bytes: state.prepared.bytesTotal,
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: Math.round((rows * 1000) / Math.max(1, elapsedMs)),
    digest,
    rowsOverLines: parsed.spanningCount,
    dialects: dialectsOf(state.prepared.inputs),
  };
}

function whyNot(
  state: LoadState,
  { maxRejects }: LoadSettings,
  { chunks, rejectedCount, rowCount }: ParseStageResult,
  conflicts: ShardStageResult['conflicts'],
): string[] {
  const why: string[] = [];
  if (rejectedCount > maxRejects) {
    const first = nameRejects(state, chunks).join('; ');
    const many = rejectedCount === 1 ? '1 row is bad' : `${rejectedCount} rows are bad`;
    why.push(`${many}, ${maxRejects} allowed (--max-rejects): ${first}.`);
  }
  if (conflicts.count > 0) why.push(tellConflicts(conflicts, state, chunks));
  if (rowCount === 0) why.push('There is no row to load.');
  return why;
}
