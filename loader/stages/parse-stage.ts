// Stage 1: all chunks through the workers, each checkpointed once its run is complete.

import { SteleError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import { MemoryShort } from '../bytes/allowance.ts';
import { Budget, forEachBounded } from '../bytes/bounded.ts';
import { nameOf } from '../input/inputs.ts';
import type { InputFile } from '../input/inputs.ts';
import { VALUE_IS_JSON } from '../input/dialect.ts';
import { DiskReserve, workFolderFull } from '../bytes/disk-reserve.ts';
import type { LoadState, ParseStageResult, ParsedChunk } from './load-state.ts';
import {
  SKEW_CAUSES,
  extraBytes,
  longChunkCost,
  skewedShard,
  tooDear,
} from '../plan/memory-plan.ts';
import type { ParseOutcome, ParseTask } from '../threads/parse-task.ts';
import { cutIntoPortions } from '../parse/portions.ts';
import type { Portion } from '../parse/portions.ts';
import { tooManyRejects } from './rejects.ts';

/** One running and one waiting for each thread, so that none waits for the main thread. */
const TASKS_PER_THREAD = 2;
/** A chunk that did not fit is tried again with at least so much more. */
const MORE_FACTOR = 1.25;

/**
 * Throws CANCELLED, INPUT_CHANGED, MEMORY_LIMIT, what a worker reports, and TOO_MANY_REJECTS as soon as
 * that is certain, except where all bad rows are to be listed.
 */
export async function runParseStage(state: LoadState): Promise<ParseStageResult> {
  const { chunkBytes, pool, prepared, shardCount, stop } = state;
  const room = roomOf(state);
  const done: ParsedChunk[] = [];
  const totals = { rows: 0, rejected: 0, spanning: 0, resumed: 0 };
  const shardBytes = new Float64Array(shardCount);
  const shardRows = new Float64Array(shardCount);
  const cut = cutIntoPortions(prepared.inputs, chunkBytes);
  const isComplete = await forEachBounded(
    cut,
    pool.threads * TASKS_PER_THREAD,
    stop,
    async (portion) => {
      const { sectionBytes, sectionRows, ...parsed } = await parseOne(state, portion, room);
      done[portion.index] = parsed;
      addTo(shardBytes, sectionBytes);
      addTo(shardRows, sectionRows);
      totals.rows += parsed.rowCount;
      totals.rejected += parsed.rejectedCount;
      totals.spanning += parsed.spanningCount;
      if (parsed.isResumed) totals.resumed++;
      stopEarly(state, totals.rejected, done);
    },
  );
  if (!isComplete) throw new SteleError('CANCELLED', 'The load was stopped.');
  noticeSkew(state, shardBytes, shardRows);
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

function noticeSkew(
  { notice }: LoadState,
  shardBytes: Float64Array,
  shardRows: Float64Array,
): void {
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

/** What chunks take beyond their shares of memory, and what their runs take on disk. */
interface Room {
  readonly extraBytes: number;
  readonly budget: Budget;
  readonly disk: DiskReserve;
}

function roomOf({ folder, pool, settings, shareBytes }: LoadState): Room {
  const bytes = extraBytes(settings.memoryMax, pool.threads, shareBytes);
  return { extraBytes: bytes, budget: new Budget(bytes), disk: new DiskReserve(folder.path) };
}

/** Makes the run of a portion anew, whose file was found damaged. Throws INPUT_CHANGED. */
export async function parseAgain(state: LoadState, portion: Portion | undefined): Promise<void> {
  if (portion === undefined) throw new SteleError('INTERNAL', 'There is no input of that run.');
  const chunks = new Map(state.kept.chunks);
  chunks.delete(portion.index);
  const { progress } = state;
  const { bytesDone, rejected, rows } = progress;
  await parseOne({ ...state, kept: { ...state.kept, chunks } }, portion, roomOf(state));
  Object.assign(progress, { bytesDone, rejected, rows });
}

/** Parses one portion and writes it into the checkpoint. */
async function parseOne(
  state: LoadState,
  portion: Portion,
  room: Room,
): Promise<ParseOutcome & { readonly portion: Portion }> {
  const { checkpoint, folder, progress } = state;
  let outcome: ParseOutcome;
  try {
    outcome = await parseWithin(state, portion, room);
    if (!outcome.isResumed) checkpoint.chunkDone({ index: portion.index, ...rangeOf(portion) });
  } catch (thrown) {
    throw workFolderFull(thrown, folder.path, runBytesLeft(state));
  }
  progress.rows += outcome.rowCount + outcome.rejectedCount;
  progress.rejected += outcome.rejectedCount;
  progress.bytesDone += portion.byteCount;
  return { ...outcome, portion };
}

/** Where it begins in its first file and ends in its last; the binding tells inputs apart. */
function rangeOf({ pieces }: Portion): { start: number; end: number } {
  return { start: pieces[0].start, end: pieces.at(-1)?.end ?? 0 };
}

/** Of the runs that are still to be written, by what the first rows became. */
function runBytesLeft({ prepared, progress, rowCost }: LoadState): number {
  return Math.ceil((prepared.bytesTotal - progress.bytesDone) * rowCost.recordFactor);
}

/** In the memory that a thread has, and with some of the extra where that does not do. */
async function parseWithin(
  state: LoadState,
  portion: Portion,
  { budget, disk, extraBytes: bytes }: Room,
): Promise<ParseOutcome> {
  const { pool, rowCost, shareBytes, stop } = state;
  const { byteCount } = portion;
  const task = taskFor(state, portion);
  if (!task.mayResume) await disk.take(Math.ceil(byteCount * rowCost.recordFactor));
  const isPutTogether = task.dialect.valueColumn === VALUE_IS_JSON;
  let neededBytes = longChunkCost(byteCount, state, isPutTogether);
  for (;;) {
    const taken = neededBytes - shareBytes;
    if (taken > bytes) throw portionTooDear(state, portion, taken - bytes);
    if (taken > 0) await budget.take(taken);
    try {
      if (stop.signal.aborted) throw new SteleError('CANCELLED', 'The load was stopped.');
      return await pool.parse({ ...task, bytesMax: neededBytes, bytesKept: shareBytes });
    } catch (thrown) {
      if (!(thrown instanceof MemoryShort)) throw thrown;
      // Of a long row there is no telling from the rows before it.
      const told = isLong(state, portion) ? thrown.nextBytes : thrown.neededBytes;
      neededBytes = Math.ceil(Math.max(told, neededBytes * MORE_FACTOR));
    } finally {
      if (taken > 0) budget.giveBack(taken);
    }
  }
}

function portionTooDear(state: LoadState, portion: Portion, missing: number): SteleError {
  const { prepared, settings } = state;
  const { byteCount, pieces } = portion;
  const [{ file, start }] = pieces;
  const name = nameOf({ path: prepared.inputs[file]?.path ?? '' });
  const what = isLong(state, portion) ? 'A row of about' : 'A chunk of';
  const where = pieces.length === 1 ? `${name} at byte ${start}` : `${name} and the files after it`;
  return tooDear(
    `${what} ${formatBytes(byteCount)}, ${where},`,
    missing,
    settings.memoryMax,
    isLong(state, portion) ? '' : ', or a smaller --chunk-size',
  );
}

/** A chunk ends with the row that reaches its nominal end: it is mostly that row. */
function isLong({ chunkBytes }: LoadState, { byteCount }: Portion): boolean {
  return byteCount > chunkBytes * 2;
}

function taskFor(state: LoadState, portion: Portion): ParseTask {
  const { binding, folder, kept, prepared, shardCount } = state;
  const { index, pieces } = portion;
  const inputOf = (file: number): InputFile => {
    const input = prepared.inputs[file];
    if (input === undefined) throw new SteleError('INTERNAL', `There is no input ${file}.`);
    return input;
  };
  const before = kept.chunks.get(index);
  const { end, start } = rangeOf(portion);
  return {
    index,
    pieces: pieces.map((piece) => ({
      readPath: inputOf(piece.file).readPath,
      start: piece.start,
      end: piece.end,
    })),
    dialect: inputOf(pieces[0].file).dialect,
    shardCount,
    runFolder: folder.runs,
    binding,
    mayResume: before?.start === start && before.end === end,
  };
}

/** Without a file to list them all in, there is no point in finding more bad rows than are allowed. */
function stopEarly(state: LoadState, rejected: number, done: readonly ParsedChunk[]): void {
  const { maxRejects, rejects } = state.settings;
  if (rejects === undefined && rejected > maxRejects) throw tooManyRejects(state, done, rejected);
}
