// `stele load --dry-run`: all of a load but its effects. Every row is parsed, every shard is built, so
// that duplicates and conflicts are those of a load, and the gate is held against what was built
// (gate-forecast.ts); nothing is sent, and the work folder goes with the run. Only what the cluster has already
// comes from outside, as a TargetCluster.

import { randomBytes } from 'node:crypto';
import { toSteleError } from '../base/errors.ts';
import { keyspaceName, randomId } from '../base/ids.ts';
import { SHARD_COUNT_DEFAULT } from '../base/limits.ts';
import { LoadMode } from '../proto/gen/stele/v1/load.ts';
import type { LoadGate } from '../proto/gen/stele/v1/load.ts';
import { gateFor } from '../proto/load-gate.ts';
import type { KeyFinding } from '../proto/load-gate.ts';
import { BINDING_BYTES } from './runs/run-file.ts';
import { addUp } from './stages/commit.ts';
import type { CheckpointLog } from './work/checkpoint.ts';
import { tellConflicts } from './stages/conflict-error.ts';
import { dialectsOf } from './parse/found-dialect.ts';
import type { FoundDialect } from './parse/found-dialect.ts';
import { checkGateFlags, gateOf } from './stages/gate.ts';
import { forecastGate } from './stages/gate-forecast.ts';
import type { GateForecast, TargetCluster } from './stages/gate-forecast.ts';
import { checkUnchanged } from './input/inputs.ts';
import { prepareRun, withLoadRun } from './stages/load-run.ts';
import type { LoadRun, RunHooks } from './stages/load-run.ts';
import type { LoadState, ParseStageResult, ShardStageResult } from './stages/load-state.ts';
import { runParseStage } from './stages/parse-stage.ts';
import type { ChunkPlan } from './plan/chunk-plan.ts';
import type { PreparedInput } from './input/inputs.ts';
import { writeRejects } from './stages/rejects-file.ts';
import { nameRejects, noRowText } from './stages/rejects.ts';
import { RequiredKeys } from './stages/required-keys.ts';
import type { LoadSettings } from './settings.ts';
import { runShardStage } from './stages/shard-stage.ts';
import type { SegmentTaker } from './stages/shard-stage.ts';
import { roundSeconds } from './stages/summary.ts';
import { readSample } from './sample.ts';
import type { SampleRecord } from './sample.ts';
import type { WorkPool } from './threads/work-pool.ts';

/** `rows` = loaded + duplicates + conflicts + rejected. */
export interface DryRunReport {
  readonly keyspace: string;
  readonly dryRun: true;
  readonly wouldLoad: boolean;
  /** Sentences; empty where the load would be committed and its version go live. */
  readonly why: readonly string[];
  /** All of `why` is the gate's: the load would end with GATE_FAILED. */
  readonly gateFailed: boolean;
  /** Sentences about gates that cannot be decided before the load. */
  readonly unchecked: readonly string[];
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

/** Where no master is there to be asked. */
const NO_CLUSTER: TargetCluster = {
  shardCount: SHARD_COUNT_DEFAULT,
  current: undefined,
  whyUnknown: 'no master was asked',
};

const NO_CHECKPOINT: CheckpointLog = {
  chunkDone: () => undefined,
  shardDone: () => undefined,
  committing: () => undefined,
};

/** Throws what a load throws for an input that cannot be loaded at all, and CANCELLED. */
export async function runDryRun(
  settings: LoadSettings,
  sampleCount: number,
  hooks: RunHooks = {},
  target = NO_CLUSTER,
): Promise<DryRunReport> {
  keyspaceName(settings.keyspace);
  checkGateFlags(settings);
  const mode = settings.mode === 'append' ? LoadMode.APPEND : LoadMode.REPLACE;
  const gate = gateFor(gateOf(settings), mode);
  return await withLoadRun(settings, hooks, true, (run) =>
    runIn({ ...run, gate, mode, target }, sampleCount),
  );
}

interface DryRun extends LoadRun {
  readonly gate: LoadGate;
  readonly mode: LoadMode;
  readonly target: TargetCluster;
}

async function runIn(run: DryRun, sampleCount: number): Promise<DryRunReport> {
  const { found, gate, hooks, progress, settings, target } = run;
  const { plan, pool, prepared } = await prepareRun(run);
  try {
    const state = stateOf(run, prepared, plan, pool, target.shardCount);
    const parsed = await runParseStage(state);
    if (settings.rejects !== undefined) await writeRejects(state, parsed.chunks, settings.rejects);
    progress.stage = 'build';
    hooks.onProgress?.(progress.snapshot());
    const required = new RequiredKeys(gate.requireKeys, target.shardCount);
    const taker: SegmentTaker = {
      deliver({ bytes, info }) {
        if (bytes !== undefined) required.look(info.shard, bytes);
        return Promise.resolve([]);
      },
    };
    const built = await runShardStage(state, parsed, taker, new Map(), () =>
      Promise.resolve(undefined),
    );
    await checkUnchanged(found);
    const { records } = readSample(prepared.inputs, sampleCount);
    const why = whyNot(state, settings, parsed, built.conflicts);
    const forecast = why.length === 0 ? await forecastOf(run, parsed, built, required) : NOT_ASKED;
    return { ...reportOf(state, settings, parsed, built, why, forecast), sample: records };
  } finally {
    await pool.close();
  }
}

/** A load that fails before its commit meets no gate. */
const NOT_ASKED: GateForecast = { rejection: undefined, unchecked: [] };

async function forecastOf(
  run: DryRun,
  { rowCount }: ParseStageResult,
  { shards }: ShardStageResult,
  required: RequiredKeys,
): Promise<GateForecast> {
  const { gate, mode, target } = run;
  const { records } = addUp(shards, rowCount);
  const keys = await withCurrent(run, required.findings());
  return forecastGate({ gate, mode, records, keys, target });
}

/** Of an append: what the input lacks may be in the current version. Those that nobody can say are left out. */
async function withCurrent(
  { log, mode, target }: DryRun,
  findings: readonly KeyFinding[],
): Promise<readonly KeyFinding[]> {
  const missing = findings.filter(({ value }) => value === null);
  if (mode !== LoadMode.APPEND || target.current === null || missing.length === 0) return findings;
  const known = findings.filter(({ value }) => value !== null);
  try {
    const values = await target.lookUp?.(missing.map(({ required }) => required.key));
    if (values === undefined) return known;
    const looked = missing.map(({ required }, at) => ({ required, value: values[at] ?? null }));
    return [...known, ...looked];
  } catch (thrown) {
    log.info({ err: toSteleError(thrown) }, 'the required keys were not looked up');
    return known;
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
  why: readonly string[],
  { rejection, unchecked }: GateForecast,
): Omit<DryRunReport, 'sample'> {
  const { elapsedMs } = state.progress;
  const { rejectedCount, rowCount } = parsed;
  const duplicates = shards.reduce((sum, shard) => sum + shard.duplicates, 0);
  const overruled = shards.reduce((sum, shard) => sum + shard.overruled, 0);
  const digest = conflicts.count > 0 ? '' : addUp(shards, rowCount).digest.toHex();
  const rows = rowCount + rejectedCount;
  return {
    keyspace: settings.keyspace,
    dryRun: true,
    wouldLoad: why.length === 0 && rejection === undefined,
    why: rejection === undefined ? why : [`The version would not go live: ${rejection}.`],
    gateFailed: rejection !== undefined,
    unchecked,
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
  if (rowCount === 0 && why.length === 0) why.push(`${noRowText(state, chunks, rejectedCount)}.`);
  return why;
}
