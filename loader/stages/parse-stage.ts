// Stage 1: parses all chunks in the worker threads; each is checkpointed when its run is complete.

import { SteleError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import { BudgetExceeded } from '../bytes/memory-budget.ts';
import { Semaphore, forEachBounded } from '../bytes/bounded.ts';
import { nameOf } from '../input/inputs.ts';
import { VALUE_IS_JSON } from '../input/dialect.ts';
import { DiskReserve, workFolderFull } from '../bytes/disk-reserve.ts';
import { checkStopped, inputOf } from './load-job.ts';
import type { LoadJob, ParsedChunk, RunShelf } from './load-job.ts';
import {
  SKEW_CAUSES,
  extraBytes,
  longChunkCost,
  skewedShard,
  exceedsMemory,
} from '../plan/memory-plan.ts';
import type { ParseOutcome, ParseTask } from '../threads/parse-task.ts';
import { cutIntoPortions } from '../formats/chunks.ts';
import type { Portion } from '../formats/chunks.ts';
import { formatNamed } from '../formats/formats.ts';
import { tooManyRejects } from './rejects.ts';

export interface ParseStageResult {
  /** In the input's order. */
  readonly chunks: readonly ParsedChunk[];
  readonly rowCount: number;
  readonly rejectedCount: number;
  /** Rows that took several lines. */
  readonly spanningCount: number;
  readonly chunksResumed: number;
  /** Encoded bytes and rows of each shard over all runs. */
  readonly shardBytes: Float64Array;
  readonly shardRows: Float64Array;
}

/** One task running and one queued per thread, so that no thread waits for the main thread. */
const TASKS_PER_THREAD = 2;
/** A chunk that did not fit is retried with at least this much more memory. */
const MORE_FACTOR = 1.25;

/**
 * Throws CANCELLED, INPUT_CHANGED, MEMORY_LIMIT, the errors of the workers, and TOO_MANY_REJECTS as
 * soon as that is certain, unless all bad rows are to be listed (--rejects).
 */
export async function runParseStage(job: LoadJob): Promise<ParseStageResult> {
  const { plan, pool, prepared, shardCount, stop } = job;
  const limits = parseLimits(job);
  const done: ParsedChunk[] = [];
  const totals = { rows: 0, rejected: 0, spanning: 0, resumed: 0 };
  const shardBytes = new Float64Array(shardCount);
  const shardRows = new Float64Array(shardCount);
  const cut = cutIntoPortions(prepared.inputs, plan.chunkBytes);
  const isComplete = await forEachBounded(
    cut,
    pool.threads * TASKS_PER_THREAD,
    stop,
    async (portion) => {
      const outcome = await parseOne(job, portion, limits);
      const { sectionBytes, sectionRows, totals: _totals, ...parsed } = outcome;
      done[portion.index] = parsed;
      addTo(shardBytes, sectionBytes);
      addTo(shardRows, sectionRows);
      count(job, parsed);
      totals.rows += parsed.rowCount;
      totals.rejected += parsed.rejectedCount;
      totals.spanning += parsed.spanningCount;
      if (parsed.isResumed) totals.resumed++;
      stopEarly(job, totals.rejected, done);
    },
  );
  if (!isComplete) throw new SteleError('CANCELLED', 'The load was stopped.');
  noticeSkew(job, shardBytes, shardRows);
  return {
    chunks: done,
    rowCount: totals.rows,
    rejectedCount: totals.rejected,
    spanningCount: totals.spanning,
    chunksResumed: totals.resumed,
    shardBytes,
    shardRows,
  };
}

function count({ progress }: LoadJob, { portion, rejectedCount, rowCount }: ParsedChunk): void {
  progress.rows += rowCount + rejectedCount;
  progress.rejected += rejectedCount;
  progress.bytesDone += portion.byteCount;
}

function noticeSkew({ notice }: LoadJob, shardBytes: Float64Array, shardRows: Float64Array): void {
  const skewed = skewedShard(shardBytes, shardRows);
  if (skewed === undefined) return;
  const percent = Math.round(skewed.share * 100);
  notice(
    `shard ${skewed.shard} gets ${percent}% of all bytes, so few datanodes serve most of them: ${SKEW_CAUSES}`,
  );
}

function addTo(sums: Float64Array, addends: Uint32Array): void {
  for (let at = 0; at < sums.length; at++) {
    sums[at] = (sums[at] as number) + (addends[at] as number);
  }
}

/**
 * Bounds on the memory that chunks take beyond their shares, and on the disk that their runs take.
 */
interface ParseLimits {
  readonly extraBytes: number;
  readonly budget: Semaphore;
  readonly disk: DiskReserve;
}

function parseLimits({ folder, plan, pool, settings }: LoadJob): ParseLimits {
  const bytes = extraBytes(settings.memoryMax, pool.threads, plan.shareBytes);
  return { extraBytes: bytes, budget: new Semaphore(bytes), disk: new DiskReserve(folder.path) };
}

/** Parses a portion again because its run was found damaged. Throws INPUT_CHANGED. */
export async function parseAgain(job: LoadJob, portion: Portion | undefined): Promise<void> {
  if (portion === undefined) throw new SteleError('INTERNAL', 'There is no input of that run.');
  await parseOne(job, portion, parseLimits(job), false);
}

/**
 * Parses one portion and checkpoints it. With `mayResume`, an intact run of an earlier process is
 * used.
 */
async function parseOne(
  job: LoadJob,
  portion: Portion,
  limits: ParseLimits,
  mayResume = true,
): Promise<ParseOutcome & { readonly portion: Portion }> {
  const { checkpoint, folder } = job;
  const task = taskFor(job, portion);
  const shelf = mayResume ? job.shelf : undefined;
  try {
    const stored = await storedRun(job, shelf, task, portion, limits);
    const outcome =
      stored ??
      (await parseWithin(job, mayResume ? task : { ...task, mayResume }, portion, limits));
    await shelf?.take(portion, outcome);
    if (!outcome.isResumed) checkpoint.chunkDone({ index: portion.index, ...rangeOf(portion) });
    return { ...outcome, portion };
  } catch (thrown) {
    throw workFolderFull(thrown, folder.path, runBytesLeft(job));
  }
}

/** The run of the portion that an earlier process has stored, if the input is still the same. */
async function storedRun(
  job: LoadJob,
  shelf: RunShelf | undefined,
  task: ParseTask,
  portion: Portion,
  limits: ParseLimits,
): Promise<ParseOutcome | undefined> {
  const stored = await shelf?.find(portion);
  if (stored === undefined) return undefined;
  const { chunkCrc } = await parseWithin(job, { ...task, readsOnly: true }, portion, limits);
  return chunkCrc === stored.chunkCrc ? { ...stored, isResumed: true } : undefined;
}

/**
 * The portion's start in its first file and its end in the last one; the binding tells files apart.
 */
export function rangeOf({ pieces }: Portion): { start: number; end: number } {
  return { start: pieces[0].start, end: pieces.at(-1)?.end ?? 0 };
}

/** Estimated bytes of the runs that are still to be written. */
function runBytesLeft({ plan, prepared, progress }: LoadJob): number {
  return Math.ceil((prepared.bytesTotal - progress.bytesDone) * plan.rowCost.recordFactor);
}

/**
 * Parses in a thread's share of memory, or with some of the extra memory if the share is too small.
 */
async function parseWithin(
  job: LoadJob,
  task: ParseTask,
  portion: Portion,
  { budget, disk, extraBytes: bytes }: ParseLimits,
): Promise<ParseOutcome> {
  const { plan, pool } = job;
  const { rowCost, shareBytes } = plan;
  const { byteCount } = portion;
  if (!task.mayResume && task.readsOnly !== true)
    await disk.take(Math.ceil(byteCount * rowCost.recordFactor));
  const isPutTogether = task.dialect.valueColumn === VALUE_IS_JSON;
  let neededBytes = longChunkCost(byteCount, plan, isPutTogether);
  for (;;) {
    const taken = neededBytes - shareBytes;
    if (taken > bytes) throw portionExceedsMemory(job, portion, taken - bytes);
    if (taken > 0) await budget.acquire(taken);
    try {
      checkStopped(job);
      return await pool.parse({ ...task, bytesMax: neededBytes, bytesKept: shareBytes });
    } catch (thrown) {
      if (!(thrown instanceof BudgetExceeded)) throw thrown;
      // The rows before a long row say nothing about it.
      const wanted = isLong(job, portion) ? thrown.nextBytes : thrown.neededBytes;
      neededBytes = Math.ceil(Math.max(wanted, neededBytes * MORE_FACTOR));
    } finally {
      if (taken > 0) budget.release(taken);
    }
  }
}

function portionExceedsMemory(job: LoadJob, portion: Portion, missing: number): SteleError {
  const { settings } = job;
  const { byteCount, pieces } = portion;
  const [first] = pieces;
  const { dialect, path } = inputOf(job, first);
  const name = nameOf({ path });
  const what = isLong(job, portion) ? 'A row of about' : 'A chunk of';
  const where =
    pieces.length === 1
      ? `${name} ${formatNamed(dialect.format).placeText(first, 0)}`
      : `${name} and the files after it`;
  return exceedsMemory(
    `${what} ${formatBytes(byteCount)}, ${where},`,
    missing,
    settings.memoryMax,
    isLong(job, portion) ? '' : ', or a smaller --chunk-size',
  );
}

/** A chunk ends with the row that crosses its nominal end; one twice as long is mostly that row. */
function isLong({ plan }: LoadJob, { byteCount }: Portion): boolean {
  return byteCount > plan.chunkBytes * 2;
}

function taskFor(job: LoadJob, portion: Portion): ParseTask {
  const { binding, folder, kept, shardCount } = job;
  const { index, pieces } = portion;
  const before = kept.chunks.get(index);
  const { end, start } = rangeOf(portion);
  return {
    index,
    pieces: pieces.map((piece) => ({ ...piece, readPath: inputOf(job, piece).readPath })),
    dialect: inputOf(job, pieces[0]).dialect,
    shardCount,
    runFolder: folder.runs,
    binding,
    // A stored run is found by the shelf.
    mayResume: job.shelf === undefined && before?.start === start && before.end === end,
    isStored: job.shelf !== undefined,
  };
}

/** Stops at the first bad row too many, unless all of them are to be listed in a file. */
function stopEarly(job: LoadJob, rejected: number, done: readonly ParsedChunk[]): void {
  const { maxRejects, rejects } = job.settings;
  if (rejects === undefined && rejected > maxRejects) throw tooManyRejects(job, done, rejected);
}
