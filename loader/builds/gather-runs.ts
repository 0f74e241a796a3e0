// Brings the rows of a range of shards from the runs of all tasks into the work folder: one ranged
// read for each run, because the sections of neighbouring shards are neighbours in it.
//
//     the store   | header | shard 0 | 1 | 2 | 3 | ... | rejects |
//     here        | header |           2 | 3 |                        for the shards 2 to 3
//
// A run of a folder of this machine is not copied: a link to it does. All runs are numbered in the
// order of the tasks, and of the input within a task, which decides between two values of a key.

import { closeSync, existsSync, rmSync, symlinkSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { BuiltRun, BuiltTask } from '../../archive/builds/built.ts';
import { runObject } from '../../archive/builds/layout.ts';
import type { ObjectStore } from '../../archive/object-store.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { DiskReserve } from '../bytes/disk-reserve.ts';
import { Semaphore, forEachBounded } from '../bytes/bounded.ts';
import {
  decodeRunHeader,
  encodeRunHeader,
  openRun,
  runHeaderBytes,
  runPath,
  sectionOffset,
  writeRunFile,
} from '../runs/run-file.ts';
import type { RunHeader } from '../runs/run-file.ts';
import { checkStopped } from '../stages/load-job.ts';
import type { LoadJob } from '../stages/load-job.ts';
import type { ShardRows } from '../stages/shard-stage.ts';

const READS_AT_ONCE = 8;
const IN_FLIGHT_BYTES_MAX = 64 * 1024 * 1024;
const ANY_BINDING = Buffer.alloc(0);

/** A run and the task that it is of. */
export interface TaskRun extends BuiltRun {
  readonly task: number;
}

/** All runs, in the order that decides between two values of a key. */
export function runsOf(tasks: readonly BuiltTask[]): TaskRun[] {
  return tasks.flatMap(({ runs, task }) => runs.map((run) => ({ ...run, task })));
}

interface GatherJob extends Pick<LoadJob, 'folder' | 'progress' | 'shardCount' | 'stop'> {
  readonly store: ObjectStore;
  readonly runs: readonly TaskRun[];
  /** Shards: [first, end). */
  readonly range: readonly [first: number, end: number];
}

interface BringOptions {
  readonly memory: Semaphore;
  readonly disk: DiskReserve;
  /** Whether a link to the store will do. */
  readonly mayLink: boolean;
}

/** Throws CORRUPT for a run that is damaged or gone in the store, and names its task. */
export async function gatherRuns(job: GatherJob): Promise<ShardRows> {
  const { folder, progress, range, runs, shardCount, stop } = job;
  const shardBytes = new Float64Array(shardCount);
  const shardRows = new Float64Array(shardCount);
  const memory = new Semaphore(IN_FLIGHT_BYTES_MAX);
  const options = { memory, disk: new DiskReserve(folder.path), mayLink: true };
  const isComplete = await forEachBounded(
    runs.entries(),
    READS_AT_ONCE,
    stop,
    async ([index, run]) => {
      const header = headerHere(job, index) ?? (await bring(job, index, options));
      for (let shard = range[0]; shard < range[1]; shard++) {
        add(shardBytes, shard, header.sectionBytes);
        add(shardRows, shard, header.sectionRows);
      }
      progress.bytesDone += run.bytes;
      progress.rows += run.rows;
    },
  );
  if (!isComplete) throw new SteleError('CANCELLED', 'The merge was stopped.');
  return {
    shardBytes,
    shardRows,
    runCount: runs.length,
    repair: async (index) => {
      rmSync(runPath(folder.runs, index), { force: true });
      // Copied and checked: either this disk was at fault, or the store is.
      await bring(job, index, { ...options, mayLink: false });
    },
  };
}

function add(sums: Float64Array, shard: number, addends: Uint32Array): void {
  sums[shard] = (sums[shard] as number) + (addends[shard] as number);
}

/** The header of a run that an earlier process has brought. */
function headerHere({ folder, shardCount }: GatherJob, index: number): RunHeader | undefined {
  if (!existsSync(runPath(folder.runs, index))) return undefined;
  try {
    const { file, header } = openRun(folder.runs, ANY_BINDING, index, shardCount);
    closeSync(file);
    return header;
  } catch {
    // Torn by a power cut: it is brought again.
    return undefined;
  }
}

async function bring(
  job: GatherJob,
  index: number,
  { disk, mayLink, memory }: BringOptions,
): Promise<RunHeader> {
  checkStopped(job);
  const { folder, range, shardCount, store } = job;
  const { bytes, hash } = job.runs[index] as TaskRun;
  const path = runPath(folder.runs, index);
  const head = await readPart(job, index, 0, Math.min(bytes, runHeaderBytes(shardCount)));
  const header = headerOf(job, index, head);
  if (mayLink && store.localPath !== undefined) {
    rmSync(path, { force: true });
    symlinkSync(store.localPath(runObject(hash)), path);
    return header;
  }
  const start = sectionOffset(header, range[0]);
  const byteCount = sectionOffset(header, range[1]) - start;
  await memory.acquire(byteCount);
  try {
    await disk.take(byteCount);
    const rows = await readPart(job, index, start, byteCount);
    const partial = sectionsIn(header, range);
    checkSections(job, index, partial, rows);
    writeRunFile(path, [encodeRunHeader(partial), rows]);
    return partial;
  } finally {
    memory.release(byteCount);
  }
}

async function readPart(
  { runs, stop, store }: GatherJob,
  index: number,
  start: number,
  byteCount: number,
): Promise<Buffer> {
  const run = runs[index] as TaskRun;
  const bytes = Buffer.allocUnsafeSlow(byteCount);
  try {
    await store.read(runObject(run.hash), bytes, start, { signal: stop.signal });
    return bytes;
  } catch (thrown) {
    const error = toSteleError(thrown);
    if (error.code !== 'NOT_FOUND' && error.code !== 'CORRUPT') throw error;
    throw lost(store, run, error.code === 'NOT_FOUND' ? 'is gone' : 'is cut short', thrown);
  }
}

function headerOf({ runs, shardCount, store }: GatherJob, index: number, head: Buffer): RunHeader {
  try {
    return decodeRunHeader(head, ANY_BINDING, 0, shardCount);
  } catch (thrown) {
    throw lost(store, runs[index] as TaskRun, 'is damaged', thrown);
  }
}

/** The header of a run that has the sections of the range alone. */
function sectionsIn(header: RunHeader, [first, end]: readonly [number, number]): RunHeader {
  const only = (all: Uint32Array): Uint32Array =>
    all.map((value, shard) => (shard >= first && shard < end ? value : 0));
  return {
    ...header,
    sectionBytes: only(header.sectionBytes),
    sectionRows: only(header.sectionRows),
    sectionCrc: only(header.sectionCrc),
    rejectedCount: 0,
    rejectsBytes: 0,
    rejectsCrc: 0,
  };
}

function checkSections(job: GatherJob, index: number, header: RunHeader, rows: Buffer): void {
  const [first, end] = job.range;
  let at = 0;
  for (let shard = first; shard < end; shard++) {
    const sectionEnd = at + (header.sectionBytes[shard] as number);
    if (crc32(rows.subarray(at, sectionEnd)) !== header.sectionCrc[shard]) {
      throw lost(job.store, job.runs[index] as TaskRun, 'is damaged');
    }
    at = sectionEnd;
  }
}

function lost({ url }: ObjectStore, { hash, task }: TaskRun, how: string, cause?: unknown) {
  return new SteleError(
    'CORRUPT',
    `${runObject(hash)} of task ${task} ${how} at ${url}. Remove it if it is there, and run task ${task} again: it makes what is missing. Then merge again.`,
    { cause },
  );
}
