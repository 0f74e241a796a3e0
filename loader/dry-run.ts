// `stele load --dry-run`: a load without its effects. Every row is parsed and every shard is built,
// so duplicates and conflicts are those of a load, and the gate is checked against the result
// (gate-forecast.ts). Nothing is sent, and the work folder is removed at the end. What the cluster
// holds already is passed in, as a TargetCluster.

import { randomBytes } from 'node:crypto';
import { toSteleError } from '../base/errors.ts';
import { keyspaceName, randomId } from '../base/ids.ts';
import { SHARD_COUNT_DEFAULT } from '../base/limits.ts';
import { LoadMode } from '../proto/gen/stele/v1/load.ts';
import { gateFor } from '../proto/load-gate.ts';
import type { KeyFinding } from '../proto/load-gate.ts';
import { BINDING_BYTES } from './runs/run-file.ts';
import { addUp } from './stages/commit-stage.ts';
import type { CheckpointLog } from './work/checkpoint.ts';
import { dialectsOf } from './detect/found-dialect.ts';
import type { FoundDialect } from './detect/found-dialect.ts';
import { checkUnchanged } from './input/inputs.ts';
import { readSample } from './sample.ts';
import type { SampleRecord } from './sample.ts';
import type { LoadSettings } from './settings.ts';
import { describeConflicts } from './stages/conflicts.ts';
import { checkGateFlags, gateOf } from './stages/gate-flags.ts';
import { forecastGate } from './stages/gate-forecast.ts';
import type { ForecastInput, GateForecast, TargetCluster } from './stages/gate-forecast.ts';
import type { JobHooks, LoadJob, PreparedJob } from './stages/load-job.ts';
import { withOpenJob, withPreparedJob } from './stages/open-job.ts';
import { runParseStage } from './stages/parse-stage.ts';
import type { ParseStageResult } from './stages/parse-stage.ts';
import { roundSeconds, rowRate } from './stages/progress.ts';
import { writeRejects } from './stages/rejects-file.ts';
import { nameRejects, noRowText } from './stages/rejects.ts';
import { RequiredKeys } from './stages/required-keys.ts';
import { parsedRows, runShardStage } from './stages/shard-stage.ts';
import type { SegmentTaker, ShardStageResult } from './stages/shard-stage.ts';

/** `rows` = loaded + duplicates + conflicts + rejected. */
export interface DryRunReport {
  readonly keyspace: string;
  readonly dryRun: true;
  readonly wouldLoad: boolean;
  /** Sentences; empty if the load would be committed and its version go live. */
  readonly why: readonly string[];
  /** Whether only the gate is in the way: the load would end with GATE_FAILED. */
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
  /** The digest that the version would have; '' if there are conflicts. */
  readonly digest: string;
  /** Good rows that took several lines of the file. */
  readonly rowsOverLines: number;
  readonly dialects: readonly FoundDialect[];
  /** The first records, as many as were asked for. */
  readonly sample: readonly SampleRecord[];
}

/** Used if no master can be asked. */
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

/** Throws what a load throws for an input that no load can take, and CANCELLED. */
export async function runDryRun(
  settings: LoadSettings,
  sampleCount: number,
  hooks: JobHooks = {},
  target = NO_CLUSTER,
): Promise<DryRunReport> {
  keyspaceName(settings.keyspace);
  checkGateFlags(settings);
  const mode = settings.mode === 'append' ? LoadMode.APPEND : LoadMode.REPLACE;
  const gate = gateFor(gateOf(settings), mode);
  return await withOpenJob(settings, hooks, { isDry: true }, (open) =>
    withPreparedJob(open, (job) => tryPrepared(job, { gate, mode, target }, sampleCount)),
  );
}

/** What the version is checked against. */
type GateQuestion = Pick<ForecastInput, 'gate' | 'mode'> & { readonly target: TargetCluster };

async function tryPrepared(
  preparedJob: PreparedJob,
  question: GateQuestion,
  sampleCount: number,
): Promise<DryRunReport> {
  const { shardCount } = question.target;
  const job = dryJob(preparedJob, shardCount);
  const { found, hooks, progress } = job;
  const { rejects } = job.settings;
  const parsed = await runParseStage(job);
  if (rejects !== undefined) await writeRejects(job, parsed.chunks, rejects);
  progress.stage = 'build';
  hooks.onProgress?.(progress.snapshot());
  const required = new RequiredKeys(question.gate.requireKeys, shardCount);
  const taker: SegmentTaker = {
    deliver({ bytes, info }) {
      if (bytes !== undefined) required.look(info.shard, bytes);
      return Promise.resolve([]);
    },
  };
  const rows = parsedRows(job, parsed);
  const built = await runShardStage(job, rows, taker, new Map(), () => Promise.resolve(undefined));
  await checkUnchanged(found);
  const { records: sample } = readSample(preparedJob.prepared.inputs, sampleCount);
  const why = whyNot(job, preparedJob.settings.maxRejects, parsed, built.conflicts);
  const forecast =
    why.length === 0 ? await forecastOf(job, question, parsed, built, required) : NOT_ASKED;
  return { ...reportOf(job, parsed, built, why, forecast), sample };
}

/** The forecast for a load that would fail before its commit, and so before its gate. */
const NOT_ASKED: GateForecast = { rejection: undefined, unchecked: [] };

async function forecastOf(
  job: LoadJob,
  question: GateQuestion,
  { rowCount }: ParseStageResult,
  { shards }: ShardStageResult,
  required: RequiredKeys,
): Promise<GateForecast> {
  const { records } = addUp(shards, rowCount);
  const keys = await withCurrent(job, question, required.findings());
  return forecastGate({ ...question, records, keys });
}

/**
 * For an append: keys that the input lacks are looked up in the current version. Keys that cannot
 * be looked up are left out.
 */
async function withCurrent(
  { log }: LoadJob,
  { mode, target }: GateQuestion,
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

/** A job that no master knows, without a checkpoint. It uses nothing of an earlier process. */
function dryJob(preparedJob: PreparedJob, shardCount: number): LoadJob {
  return {
    ...preparedJob,
    // All bad rows are counted; the report says whether they are too many.
    settings: { ...preparedJob.settings, maxRejects: Number.MAX_SAFE_INTEGER },
    loadId: '',
    keyspaceUid: randomId(),
    shardCount,
    binding: randomBytes(BINDING_BYTES).toString('hex'),
    checkpoint: NO_CHECKPOINT,
    kept: { chunks: new Map(), shards: new Map() },
  };
}

function reportOf(
  job: LoadJob,
  parsed: ParseStageResult,
  { conflicts, shards }: ShardStageResult,
  why: readonly string[],
  { rejection, unchecked }: GateForecast,
): Omit<DryRunReport, 'sample'> {
  const { prepared, progress, settings } = job;
  const { elapsedMs } = progress;
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
    bytes: prepared.bytesTotal,
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: rowRate(rows, elapsedMs),
    digest,
    rowsOverLines: parsed.spanningCount,
    dialects: dialectsOf(prepared.inputs),
  };
}

function whyNot(
  job: LoadJob,
  maxRejects: number,
  { chunks, rejectedCount, rowCount }: ParseStageResult,
  conflicts: ShardStageResult['conflicts'],
): string[] {
  const why: string[] = [];
  if (rejectedCount > maxRejects) {
    const first = nameRejects(job, chunks).join('; ');
    const many = rejectedCount === 1 ? '1 row is bad' : `${rejectedCount} rows are bad`;
    why.push(`${many}, ${maxRejects} allowed (--max-rejects): ${first}.`);
  }
  if (conflicts.count > 0) why.push(describeConflicts(conflicts, job, chunks));
  if (rowCount === 0 && why.length === 0) why.push(`${noRowText(job, chunks, rejectedCount)}.`);
  return why;
}
