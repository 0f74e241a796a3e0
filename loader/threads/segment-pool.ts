// Runs the work on whole segments in threads, or, in tests without a build, in the calling one.

import { Piscina } from 'piscina';
import { SteleError } from '../../base/errors.ts';
import { collectYoungGarbageSoon } from '../../base/process/free-memory.ts';
import { usableCores } from '../../base/process/usable-cores.ts';
import { workerFile } from '../../base/process/worker-file.ts';
import { runExportTask, runMergeTask } from './export-task.ts';
import type { ExportTask, ExportedFile, NotTextFound } from './export-task.ts';
import type { TaskReply } from './load-worker.ts';
import { runSegmentTask } from './segment-task.ts';
import type { SegmentTask } from './segment-task.ts';

const THREADS_MAX = 4;

/** Each rejects with CORRUPT, UNKNOWN_FORMAT, DISK_FULL, IO. */
export interface SegmentPool {
  /** The full check, and the rows as a file. */
  run(task: SegmentTask): Promise<void>;
  /** The newest record of every key of one shard. */
  merge(segments: readonly SharedArrayBuffer[]): Promise<SharedArrayBuffer>;
  /** The records from a place on as a file. */
  write(task: ExportTask): Promise<ExportedFile | NotTextFound>;
  close(): Promise<void>;
}

export function segmentPool(): SegmentPool {
  const filename = workerFile('./segment-worker.js', import.meta.url);
  if (filename === undefined) {
    return {
      run: async (task) => runSegmentTask(task),
      merge: async (segments) => runMergeTask(segments),
      write: runExportTask,
      close: () => Promise.resolve(),
    };
  }
  const maxThreads = Math.min(THREADS_MAX, usableCores());
  const pool = new Piscina({ filename, minThreads: 0, maxThreads, idleTimeout: 10_000 });
  const run = async <Outcome>(name: string, task: unknown): Promise<Outcome> => {
    const reply = (await pool.run(task, { name })) as TaskReply<Outcome>;
    // Of the segments that are done with: see free-memory.ts.
    collectYoungGarbageSoon();
    if ('outcome' in reply) return reply.outcome;
    if ('failure' in reply) throw new SteleError(reply.failure.code, reply.failure.message);
    throw new SteleError('INTERNAL', 'Work on segments has no budget of memory to exceed.');
  };
  return {
    run: (task) => run('check', task),
    merge: (segments) => run('merge', segments),
    write: (task) => run('write', task),
    close: () => pool.destroy(),
  };
}
