// Merges the runs of all tasks of a build into the segments of a range of shards. Needs no cluster.
//
//     manifests of all tasks -> runs, ranged -> segments -> store     stage 2 of a load, elsewhere
//                                                        -> manifest  last
//
// The segments are those that one load of the same input would build, byte for byte. For every
// shard the rows that the tasks counted must be the records of the segment and those that were
// dropped, by count and digest.

import type { BuildMark, BuiltMerge, BuiltShard } from '../../archive/builds/built.ts';
import { BuildStore } from '../../archive/builds/build-store.ts';
import { requireBuild } from '../../archive/builds/complete-build.ts';
import { addTotals, isSameTotals, shardTotals } from '../../archive/builds/layout.ts';
import { readTaskSet } from '../../archive/builds/task-set.ts';
import type { TaskSet } from '../../archive/builds/task-set.ts';
import { segmentObject } from '../../archive/layout.ts';
import { bodyOfBytes, openStore } from '../../archive/open-store.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName } from '../../base/ids.ts';
import type { JobHooks, OpenJob } from '../stages/load-job.ts';
import { withOpenJob } from '../stages/open-job.ts';
import { roundSeconds, rowRate } from '../stages/progress.ts';
import { runShardStage } from '../stages/shard-stage.ts';
import type { SegmentTaker, ShardStageResult } from '../stages/shard-stage.ts';
import { poolFor } from '../threads/work-pool.ts';
import { BINDING_BYTES } from '../runs/run-file.ts';
import { CheckpointWriter, readCheckpoint } from '../work/checkpoint.ts';
import type { ShardDone } from '../work/checkpoint.ts';
import { hashOf } from '../work/fingerprint.ts';
import { gatherRuns, runsOf } from './gather-runs.ts';
import { mergeConflictError } from './merge-conflicts.ts';
import { parsePart, rangeOfPart } from './part.ts';
import { requireOut, stageSettings } from './settings.ts';
import type { BuildSettings } from './settings.ts';

export interface MergeSummary {
  readonly keyspace: string;
  /** Shards: `first` to `last` of `shardCount`. */
  readonly first: number;
  readonly last: number;
  readonly shardCount: number;
  /** Tasks that were merged. */
  readonly tasks: number;
  /** An earlier merge has done it: nothing was built. */
  readonly alreadyDone: boolean;
  /** `records` and `duplicates`. */
  readonly rows: number;
  readonly records: number;
  readonly duplicates: number;
  /** Of `duplicates`, those with another value. */
  readonly overruled: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly shardsResumed: number;
  /** Of these shards. */
  readonly digest: string;
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

/** What is merged. */
interface MergePlan {
  readonly build: BuildStore;
  readonly mark: BuildMark;
  readonly tasks: TaskSet;
  /** Shards: [first, end). */
  readonly range: readonly [first: number, end: number];
}

/**
 * Throws BUILD_INCOMPLETE with the tasks that are missing, CONFLICT for results that do not belong
 * together, DUPLICATE_KEY, MEMORY_LIMIT, CORRUPT, and what the store throws.
 */
export async function runMerge(settings: BuildSettings, hooks: JobHooks): Promise<MergeSummary> {
  keyspaceName(settings.keyspace);
  const store = await openStore(requireOut(settings), settings);
  const signal = hooks.signal ?? new AbortController().signal;
  try {
    const build = new BuildStore(store);
    const mark = await requireBuild(build, settings.keyspace, { signal });
    const part = parsePart(settings.task, mark.shardCount);
    const tasks = await readTaskSet(build, mark, { signal });
    const range = rangeOfPart(part, mark.shardCount);
    const plan = { build, mark, tasks, range };
    const kind = { key: ['merge', `${part.number}/${part.count}`], source: store.url };
    return await withOpenJob(stageSettings(settings), hooks, kind, (open) => merge(open, plan));
  } finally {
    store.close();
  }
}

async function merge(open: OpenJob, plan: MergePlan): Promise<MergeSummary> {
  const before = await mergeBefore(open, plan);
  if (before !== undefined) return summaryOf(open, plan, before, 0, true);
  const { progress, settings, stop } = open;
  const { build, mark, range, tasks } = plan;
  const { keyspaceUid, shardCount } = mark;
  const runs = runsOf(tasks.tasks);
  const bytesTotal = runs.reduce((sum, { bytes }) => sum + bytes, 0);
  progress.begin('parse', bytesTotal);
  const { checkpoint, kept } = resume(open, plan);
  const gather = { ...open, shardCount, range, runs, store: build.store };
  const rows = await gatherRuns(gather);
  progress.stage = 'build';
  const rangeBytes = rows.shardBytes.reduce((sum, bytes) => sum + bytes, 0);
  const chunkBytes = Math.max(1, Math.ceil(rangeBytes / (range[1] - range[0])));
  const pool = poolFor(settings, rangeBytes, { chunkBytes, shareBytes: 0 }, open.log);
  try {
    const job = { ...open, pool, checkpoint, keyspaceUid, shardCount };
    const built = await runShardStage(
      { ...job, binding: '', countsDropped: true },
      rows,
      takerOf(open, plan),
      kept,
      (done) => stillStored(open, plan, done),
    );
    if (built.conflicts.count > 0) throw mergeConflictError(built.conflicts, runs);
    const manifest = manifestOf(open, plan, built);
    progress.stage = 'commit';
    await build.putMerge(manifest, { signal: stop.signal });
    return summaryOf(open, plan, manifest, built.shardsResumed, false);
  } finally {
    await pool.close();
  }
}

/** The manifest of the same merge, if all of its segments are there. */
async function mergeBefore(
  { settings, stop }: OpenJob,
  { build, mark, range, tasks }: MergePlan,
): Promise<BuiltMerge | undefined> {
  const { signal } = stop;
  const before = (await build.merges({ signal }))
    .flatMap(({ manifest }) => manifest ?? [])
    .find(
      ({ first, keyspaceUid, last, onConflict, tasks: merged }) =>
        first === range[0] &&
        last === range[1] - 1 &&
        keyspaceUid === mark.keyspaceUid &&
        onConflict === settings.onConflict &&
        merged.join() === tasks.identities.join(),
    );
  for (const { segment } of before?.shards ?? []) {
    const name = segmentObject(mark.keyspaceUid, segment.id);
    const stored = await build.store.stat(name, { signal });
    if (stored?.byteCount !== segment.fileBytes) return undefined;
  }
  return before;
}

/** The shards that an earlier process has stored, and the log of those of this one. */
function resume({ folder, notice, settings }: OpenJob, { build, mark, range, tasks }: MergePlan) {
  const { keyspaceUid, shardCount } = mark;
  const made = [keyspaceUid, shardCount, range, tasks.identities, settings.onConflict];
  const binding = hashOf(made).slice(0, 2 * BINDING_BYTES);
  const found = readCheckpoint(folder.path);
  const isSame = 'header' in found && found.header.binding === binding && !settings.noResume;
  const kept: ReadonlyMap<number, ShardDone> = isSame ? found.shards : new Map();
  if (isSame) notice(`resuming: ${kept.size} of ${range[1] - range[0]} shards`);
  const { keyspace } = settings;
  const header = { local: binding, binding, loadId: '', keyspace, shardCount };
  const checkpoint = new CheckpointWriter(
    folder.path,
    { ...header, flags: hashOf([build.store.url]), chunksExpected: 0 },
    { chunks: [], shards: kept.values() },
  );
  return { checkpoint, kept };
}

/** Stores segments, unless another process has. */
function takerOf({ stop }: OpenJob, { build, mark }: MergePlan): SegmentTaker {
  const { signal } = stop;
  return {
    async deliver({ bytes, info }) {
      if (bytes === undefined) throw new SteleError('INTERNAL', 'A segment came without bytes.');
      const name = segmentObject(mark.keyspaceUid, info.id);
      const stored = await build.store.stat(name, { signal });
      if (stored?.byteCount === bytes.length) return [];
      await build.store.put(name, bodyOfBytes(bytes), { signal });
      return [];
    },
  };
}

async function stillStored(
  { stop }: OpenJob,
  { build, mark }: MergePlan,
  done: ShardDone,
): Promise<ShardDone | undefined> {
  if (done.segment === undefined) return done;
  const name = segmentObject(mark.keyspaceUid, done.segment.id);
  const stored = await build.store.stat(name, { signal: stop.signal });
  return stored?.byteCount === done.segment.fileBytes ? done : undefined;
}

/** Throws CORRUPT if rows were lost or doubled between the tasks and the segments. */
function manifestOf(
  { settings }: OpenJob,
  { mark, range, tasks }: MergePlan,
  { shards }: ShardStageResult,
): BuiltMerge {
  const { keyspaceUid, shardCount } = mark;
  const built: BuiltShard[] = [];
  for (let shard = range[0]; shard < range[1]; shard++) {
    const read = addTotals(tasks.tasks.map((task) => shardTotals(task, shard)));
    const done = shards[shard];
    const one = done?.segment && builtShard(done, done.segment);
    const kept = addTotals(one === undefined ? [] : [one.segment, one.dropped]);
    if (!isSameTotals(read, kept)) {
      throw new SteleError(
        'CORRUPT',
        `Shard ${shard}: the tasks have ${read.records} rows (digest ${read.digest}), and ${kept.records} were merged (digest ${kept.digest}); nothing was completed. Merge again with --no-resume; if that fails, too, please report this.`,
      );
    }
    if (one !== undefined) built.push(one);
  }
  return {
    keyspaceUid,
    shardCount,
    first: range[0],
    last: range[1] - 1,
    tasks: tasks.identities,
    onConflict: settings.onConflict,
    shards: built,
  };
}

function builtShard(
  { dropped, duplicates, overruled, rows, shard }: ShardDone,
  segment: NonNullable<ShardDone['segment']>,
): BuiltShard {
  const none = { keyBytes: 0, valueBytes: 0, digest: '0'.repeat(32) };
  return {
    shard,
    rows,
    segment,
    dropped: { records: duplicates, ...(dropped ?? none) },
    overruled,
  };
}

function summaryOf(
  { progress, settings }: OpenJob,
  { tasks }: MergePlan,
  { first, last, shardCount, shards }: BuiltMerge,
  shardsResumed: number,
  alreadyDone: boolean,
): MergeSummary {
  const { digest, records } = addTotals(shards.map(({ segment }) => segment));
  const duplicates = shards.reduce((sum, { dropped }) => sum + dropped.records, 0);
  const rows = records + duplicates;
  const { elapsedMs } = progress;
  return {
    keyspace: settings.keyspace,
    first,
    last,
    shardCount,
    tasks: tasks.tasks.length,
    alreadyDone,
    rows,
    records,
    duplicates,
    overruled: shards.reduce((sum, { overruled }) => sum + overruled, 0),
    segments: shards.length,
    segmentBytes: shards.reduce((sum, { segment }) => sum + segment.fileBytes, 0),
    shardsResumed,
    digest,
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: rowRate(rows, elapsedMs),
  };
}
