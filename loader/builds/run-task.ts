// One task of a build: reads its share of the input and stores its rows as runs. Needs no cluster.
//
//     inputs -> share -> chunks -> runs -> store        stage 1 of a load, elsewhere
//                                       -> manifest     last: what it does not name does not count
//
// A kill at any moment costs at most the chunks in progress; the same command resumes from there.
// Two attempts of one task, also at the same time on two machines, do each other no harm: whatever
// they write has a name that follows from its content.

import type { BuildMark, BuiltTask, TaskInput } from '../../archive/builds/built.ts';
import type { BuildStore } from '../../archive/builds/build-store.ts';
import { runObject, taskIdentity } from '../../archive/builds/layout.ts';
import { disagreement } from '../../archive/builds/task-set.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName } from '../../base/ids.ts';
import type { Notice } from '../input/find-inputs.ts';
import { countNewlines } from '../input/text.ts';
import { dialectsOf } from '../detect/found-dialect.ts';
import { countPortions } from '../formats/chunks.ts';
import { readRange } from '../bytes/file-window.ts';
import { checkUnchanged, describeInputs, STDIN_PATH } from '../input/inputs.ts';
import type { FoundInput, InputFile, PreparedInput } from '../input/inputs.ts';
import { BINDING_BYTES } from '../runs/run-file.ts';
import type { JobHooks, LoadJob, OpenJob, PreparedJob } from '../stages/load-job.ts';
import { withOpenJob, withPreparedJob } from '../stages/open-job.ts';
import { runParseStage } from '../stages/parse-stage.ts';
import type { ParseStageResult } from '../stages/parse-stage.ts';
import { identityOf, prepareInputs } from '../stages/prepare.ts';
import { roundSeconds, rowRate } from '../stages/progress.ts';
import { writeRejects } from '../stages/rejects-file.ts';
import { nameRejects, tooManyRejects } from '../stages/rejects.ts';
import { CheckpointWriter, readCheckpoint, runBinding } from '../work/checkpoint.ts';
import { hashOf } from '../work/fingerprint.ts';
import { withBuild } from './open-build.ts';
import { parsePart } from './part.ts';
import type { Part } from './part.ts';
import { StoredRuns } from './run-shelf.ts';
import { inputFlags, stageSettings } from './settings.ts';
import type { BuildSettings } from './settings.ts';
import { spansOf, takeShare } from './share.ts';
import type { Spans } from './share.ts';

const FINGERPRINT_DIGITS = 32;
const COUNT_BYTES = 4 * 1024 * 1024;

export interface TaskSummary {
  readonly keyspace: string;
  readonly task: number;
  readonly tasks: number;
  /** An earlier attempt has done it: nothing was read. */
  readonly alreadyDone: boolean;
  /** How its input was read, in words. */
  readonly input: string;
  /** Rows read; `stored` and `rejected`. */
  readonly rows: number;
  readonly stored: number;
  readonly rejected: number;
  /** Of its share of the input. */
  readonly bytes: number;
  readonly runs: number;
  readonly runBytes: number;
  readonly chunksResumed: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

/** Everything that a task knows before it reads rows. */
interface TaskPlan {
  readonly build: BuildStore;
  readonly mark: BuildMark;
  readonly part: Part;
  /** Without dialects. */
  readonly input: TaskInput;
  readonly spans: Spans;
}

/**
 * Does one task. Throws what a load throws for its input, CONFLICT if the build is of another
 * keyspace or an attempt of the task saw something else, and what the store throws.
 */
export async function runTask(settings: BuildSettings, hooks: JobHooks): Promise<TaskSummary> {
  keyspaceName(settings.keyspace);
  const part = parsePart(settings.task);
  const signal = hooks.signal ?? new AbortController().signal;
  const notice = hooks.onNotice ?? (() => undefined);
  return await withBuild(settings, signal, notice, async (build, mark) => {
    const key = ['task', `${part.number}/${part.count}`, build.store.url];
    return await withOpenJob(stageSettings(settings), hooks, { key }, async (open) => {
      const input = inputOfTask(open, settings);
      const plan = { build, mark, part, input, spans: spansOf(open.found, part) };
      const before = await attemptBefore(plan, signal);
      await noticeOtherSplits(plan, notice, signal);
      if (before !== undefined) return summaryOf(open, before, 0, 0, true);
      // How all inputs are read, also those of other tasks.
      let dialects: string[] = [];
      const prepare = async (job: OpenJob): Promise<PreparedInput> => {
        const all = await prepareAll(job, plan.spans);
        dialects = dialectsOf(all.inputs).map(({ text }) => text);
        const share = await takeShare(all, plan.spans);
        if (share.inputs.length === 0) throw new EmptyShare();
        return share;
      };
      try {
        const body = async (job: PreparedJob): Promise<TaskSummary> =>
          await parseShare({ ...plan, input: { ...input, dialects } }, job);
        return await withPreparedJob(open, body, prepare);
      } catch (thrown) {
        if (!(thrown instanceof EmptyShare)) throw thrown;
        return await finish(open, { ...plan, input: { ...input, dialects } }, nothingOf(mark));
      }
    });
  });
}

/** There is nothing to read for this task. */
class EmptyShare extends Error {}

/** The fingerprint does not know the content of standard input: each task has its own. */
function inputOfTask({ found }: OpenJob, settings: BuildSettings): TaskInput {
  const identity = found.map((input) => identityOf(input, ''));
  return {
    fingerprint: hashOf(identity).slice(0, FINGERPRINT_DIGITS),
    text: describeInputs(found),
    bytes: found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    flags: inputFlags(settings),
    dialects: [],
  };
}

/** A merge takes one split, so tasks of two are probably a mistake. */
async function noticeOtherSplits(
  { build, part }: TaskPlan,
  notice: Notice,
  signal: AbortSignal,
): Promise<void> {
  const names = await build.taskNames({ signal });
  const others = [...names.keys()].filter((count) => count !== part.count);
  if (others.length === 0) return;
  const splits = others.map((count) => `${count}`).join(', ');
  notice(
    `${build.store.url} also has tasks of a split in ${splits}, and this is task ${part.number} of ${part.count}: a merge takes one split, and refuses two that are complete`,
  );
}

/**
 * The result of an earlier attempt, if it is complete and stands for this input. Throws CONFLICT if
 * there is one of another input.
 */
async function attemptBefore(
  { build, input, mark, part }: TaskPlan,
  signal: AbortSignal,
): Promise<BuiltTask | undefined> {
  const { store } = build;
  for (const { manifest, name } of await build.attempts(part.count, part.number, { signal })) {
    if (manifest === undefined || manifest.keyspaceUid !== mark.keyspaceUid) continue;
    const why = disagreement(manifest.input, input);
    if (why !== undefined) {
      throw new SteleError(
        'CONFLICT',
        `Task ${part.number} of ${part.count} was done before at ${store.url}, and not as now: ${why}. To keep the new one, remove ${name}; to keep both, build into another URL.`,
      );
    }
    // A task with its own input may have another one now.
    if (input.bytes === 0) continue;
    if (await hasRuns(build, manifest, signal)) return manifest;
  }
  return undefined;
}

async function hasRuns(
  { store }: BuildStore,
  { runs }: BuiltTask,
  signal: AbortSignal,
): Promise<boolean> {
  for (const { bytes, hash } of runs) {
    const stored = await store.stat(runObject(hash), { signal });
    if (stored?.byteCount !== bytes) return false;
  }
  return true;
}

/** Only what the task reads is unpacked or copied; of other inputs the head says how to read them. */
async function prepareAll(job: OpenJob, spans: Spans): Promise<PreparedInput> {
  const isLoaded = ({ path }: FoundInput): boolean => spans.has(path);
  try {
    return await prepareInputs(job, job.found, { isLoaded });
  } catch (thrown) {
    const isOwn = job.found[0]?.path === STDIN_PATH;
    const isEmpty = thrown instanceof SteleError && thrown.message === 'The input is empty.';
    throw isOwn && isEmpty ? new EmptyShare() : thrown;
  }
}

async function parseShare(plan: TaskPlan, prepared: PreparedJob): Promise<TaskSummary> {
  const job = jobOf(plan, prepared);
  const shelf = new StoredRuns(plan.build.store, job);
  const parsed = await runParseStage({ ...job, shelf });
  const { rejects, maxRejects } = job.settings;
  const { chunks, rejectedCount } = parsed;
  if (rejects !== undefined) await writeRejects(withLines(job), chunks, rejects);
  if (rejectedCount > maxRejects) throw tooManyRejects(job, chunks, rejectedCount);
  await checkUnchanged(job.found.filter(({ path }) => plan.spans.has(path)));
  return await finish(job, plan, {
    bytes: prepared.prepared.bytesTotal,
    binding: job.binding,
    rows: parsed.rowCount,
    rejected: rejectedCount,
    rejects: nameRejects(job, chunks),
    runs: shelf.runs,
    shards: shelf.shards,
    parsed,
  });
}

/** The third step of the job (load-job.ts), without a master. */
function jobOf({ build, mark, part }: TaskPlan, prepared: PreparedJob): LoadJob {
  const { folder, notice, plan, settings } = prepared;
  const { keyspaceUid, shardCount } = mark;
  // No path of this machine is in it, so that attempts on several machines make the same runs.
  const { identity } = prepared.prepared;
  const local = hashOf([keyspaceUid, part.number, part.count, identity, plan.chunkBytes]);
  const binding = runBinding(local, shardCount);
  const found = readCheckpoint(folder.path);
  const kept = { chunks: new Map<number, never>(), shards: new Map<number, never>() };
  const isSame = 'header' in found && found.header.binding === binding && !settings.noResume;
  const chunks = isSame ? found.chunks : kept.chunks;
  const chunksExpected = countPortions(prepared.prepared.inputs, plan.chunkBytes);
  if (isSame) {
    notice(`resuming: ${chunks.size} of ${Math.max(chunksExpected, chunks.size)} chunks`);
  } else if ('header' in found) {
    notice(
      settings.noResume
        ? 'what an earlier attempt left is discarded, as --no-resume says'
        : 'what an earlier attempt left is discarded: the input, its dialect or the chunk size has changed since',
    );
  }
  const header = { local, binding, loadId: '', keyspace: settings.keyspace, shardCount };
  const flags = hashOf([build.store.url]);
  const checkpoint = new CheckpointWriter(
    folder.path,
    { ...header, flags, chunksExpected },
    { chunks: chunks.values(), shards: [] },
  );
  return {
    ...prepared,
    loadId: '',
    keyspaceUid,
    shardCount,
    binding,
    checkpoint,
    kept: { chunks, shards: kept.shards },
  };
}

/** With the number of lines before each share, for the places of bad rows. */
function withLines(job: LoadJob): LoadJob {
  const inputs = job.prepared.inputs.map((input): InputFile => {
    const lines = input.share === undefined ? 0 : linesIn(input, input.share[0]);
    return { ...input, dataStartLine: input.dataStartLine + lines };
  });
  return { ...job, prepared: { ...job.prepared, inputs } };
}

function linesIn({ dataStart, readPath }: InputFile, end: number): number {
  let count = 0;
  for (let at = dataStart; at < end; at += COUNT_BYTES) {
    count += countNewlines(readRange(readPath, at, Math.min(end, at + COUNT_BYTES)));
  }
  return count;
}

/** What a task has found, and how; without it for an empty share. */
type Outcome = Pick<BuiltTask, 'binding' | 'rows' | 'rejected' | 'rejects' | 'runs' | 'shards'> & {
  /** Of its share of the input. */
  readonly bytes: number;
  readonly parsed?: ParseStageResult;
};

function nothingOf({ shardCount }: BuildMark): Outcome {
  const zeros = Array<number>(shardCount).fill(0);
  return {
    bytes: 0,
    binding: '0'.repeat(2 * BINDING_BYTES),
    rows: 0,
    rejected: 0,
    rejects: [],
    runs: [],
    shards: {
      rows: zeros,
      keyBytes: zeros,
      valueBytes: zeros,
      digests: '0'.repeat(shardCount * 32),
    },
  };
}

/** Writes the manifest, unless an attempt at the same time has written one of the same content. */
async function finish(
  job: Pick<LoadJob, 'hooks' | 'progress' | 'settings' | 'stop'>,
  { build, input, mark, part }: TaskPlan,
  { bytes, parsed, ...outcome }: Outcome,
): Promise<TaskSummary> {
  const { hooks, progress, stop } = job;
  const { keyspaceUid, shardCount } = mark;
  const numbers = { keyspaceUid, shardCount, task: part.number, tasks: part.count };
  const task: BuiltTask = { ...numbers, input, ...outcome };
  progress.stage = 'commit';
  hooks.onProgress?.(progress.snapshot());
  const others = await build.attempts(part.count, part.number, { signal: stop.signal });
  const isThere = others.some(
    ({ manifest }) => manifest !== undefined && taskIdentity(manifest) === taskIdentity(task),
  );
  if (!isThere) await build.putTask(task, { signal: stop.signal });
  return summaryOf(job, task, bytes, parsed?.chunksResumed ?? 0, false);
}

function summaryOf(
  { progress, settings }: Pick<LoadJob, 'progress' | 'settings'>,
  task: BuiltTask,
  bytes: number,
  chunksResumed: number,
  alreadyDone: boolean,
): TaskSummary {
  const { elapsedMs } = progress;
  const rows = task.rows + task.rejected;
  return {
    keyspace: settings.keyspace,
    task: task.task,
    tasks: task.tasks,
    alreadyDone,
    input: task.input.dialects.join('; '),
    rows,
    stored: task.rows,
    rejected: task.rejected,
    bytes,
    runs: task.runs.length,
    runBytes: task.runs.reduce((sum, run) => sum + run.bytes, 0),
    chunksResumed,
    seconds: roundSeconds(elapsedMs),
    rowsPerSecond: rowRate(rows, elapsedMs),
  };
}
