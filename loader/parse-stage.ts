// Stage 1: all chunks through the workers, each checkpointed once its run is complete.

import { SteleError } from '../base/errors.ts';
import { forEachBounded } from './bounded.ts';
import { cutIntoChunks } from './chunks.ts';
import type { Chunk } from './chunks.ts';
import type { LoadState, ParseStageResult, ParsedChunk } from './load-state.ts';
import type { ParseTask } from './parse-task.ts';
import { tooManyRejects } from './rejects.ts';

/** One running and one waiting for each thread, so that none waits for the main thread. */
const TASKS_PER_THREAD = 2;
const CHUNKS_AIMED_AT = 16;
const ADAPTED_CHUNK_BYTES_MIN = 1024 * 1024;

/**
 * The chunk size in force: `--chunk-size` at most, less for an input of a few chunks, so that all
 * workers get an even share. A function of settings and input alone: a resumed load cuts the same.
 */
export function chunkBytesFor(bytesTotal: number, chunkSize: number): number {
  const even = Math.max(ADAPTED_CHUNK_BYTES_MIN, Math.ceil(bytesTotal / CHUNKS_AIMED_AT));
  return Math.min(chunkSize, even);
}

/**
 * Throws CANCELLED, INPUT_CHANGED, what a worker reports, and TOO_MANY_REJECTS as soon as that is
 * certain, except where all bad rows are to be listed.
 */
export async function runParseStage(state: LoadState): Promise<ParseStageResult> {
  const { chunkBytes, pool, prepared, stop } = state;
  const done: ParsedChunk[] = [];
  const totals = { rows: 0, rejected: 0, resumed: 0 };
  const cut = cutIntoChunks(prepared.inputs, chunkBytes);
  const isComplete = await forEachBounded(
    cut,
    pool.threads * TASKS_PER_THREAD,
    stop,
    async (chunk) => {
      const parsed = await parseOne(state, chunk);
      done[chunk.index] = parsed;
      totals.rows += parsed.rowCount;
      totals.rejected += parsed.rejectedCount;
      if (parsed.isResumed) totals.resumed++;
      stopEarly(state, totals.rejected, done);
    },
  );
  if (!isComplete) throw new SteleError('CANCELLED', 'The load was stopped.');
  return {
    chunks: done,
    rowCount: totals.rows,
    rejectedCount: totals.rejected,
    chunksResumed: totals.resumed,
    shardBytes: sumSections(done, state.shardCount),
  };
}

/** Makes the run of a chunk anew, whose file was found damaged. Throws INPUT_CHANGED. */
export async function parseAgain(state: LoadState, chunk: Chunk | undefined): Promise<void> {
  if (chunk === undefined) throw new SteleError('INTERNAL', 'There is no chunk of that run.');
  const chunks = new Map(state.kept.chunks);
  chunks.delete(chunk.index);
  const { bytesDone, rejected, rows } = state.progress;
  await parseOne({ ...state, kept: { ...state.kept, chunks } }, chunk);
  Object.assign(state.progress, { bytesDone, rejected, rows });
}

/** Parses one chunk and writes it into the checkpoint. */
async function parseOne(state: LoadState, chunk: Chunk): Promise<ParsedChunk> {
  const { checkpoint, pool, progress } = state;
  const outcome = await pool.parse(taskFor(state, chunk));
  if (!outcome.isResumed) {
    checkpoint.chunkDone({ index: chunk.index, start: chunk.start, end: chunk.end });
  }
  progress.rows += outcome.rowCount + outcome.rejectedCount;
  progress.rejected += outcome.rejectedCount;
  progress.bytesDone += chunk.end - chunk.start;
  return { ...outcome, chunk };
}

function taskFor(state: LoadState, chunk: Chunk): ParseTask {
  const { binding, folder, kept, prepared, shardCount } = state;
  const input = prepared.inputs[chunk.file];
  if (input === undefined) throw new SteleError('INTERNAL', `There is no input ${chunk.file}.`);
  const before = kept.chunks.get(chunk.index);
  return {
    chunk,
    readPath: input.readPath,
    dialect: input.dialect,
    shardCount,
    runFolder: folder.runs,
    binding,
    mayResume: before?.start === chunk.start && before.end === chunk.end,
  };
}

/** Without a file to list them all in, there is no point in finding more bad rows than are allowed. */
function stopEarly(state: LoadState, rejected: number, done: readonly ParsedChunk[]): void {
  const { maxRejects, rejects } = state.settings;
  if (rejects === undefined && rejected > maxRejects) throw tooManyRejects(state, done, rejected);
}

function sumSections(chunks: readonly ParsedChunk[], shardCount: number): Float64Array {
  const sums = new Float64Array(shardCount);
  for (const { sectionBytes } of chunks) {
    for (let shard = 0; shard < shardCount; shard++) {
      sums[shard] = (sums[shard] as number) + (sectionBytes[shard] as number);
    }
  }
  return sums;
}
