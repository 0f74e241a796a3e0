// Runs the work on whole segments in threads, or, in tests without a build, in the calling one.

import { Piscina } from 'piscina';
import { SteleError } from '../../base/errors.ts';
import { usableCores } from '../../base/process/usable-cores.ts';
import { workerFile } from '../../base/process/worker-file.ts';
import type { TaskReply } from './load-worker.ts';
import { runSegmentTask } from './segment-task.ts';
import type { SegmentTask } from './segment-task.ts';

const THREADS_MAX = 4;

export interface SegmentPool {
  /** Rejects with CORRUPT, UNKNOWN_FORMAT, DISK_FULL, IO. */
  run(task: SegmentTask): Promise<void>;
  close(): Promise<void>;
}

export function segmentPool(): SegmentPool {
  const filename = workerFile('./segment-worker.js', import.meta.url);
  if (filename === undefined) {
    return { run: async (task) => runSegmentTask(task), close: () => Promise.resolve() };
  }
  const maxThreads = Math.min(THREADS_MAX, usableCores());
  const pool = new Piscina({ filename, minThreads: 0, maxThreads, idleTimeout: 10_000 });
  return {
    run: async (task) => {
      const reply = (await pool.run(task)) as TaskReply<true>;
      if ('failure' in reply) throw new SteleError(reply.failure.code, reply.failure.message);
    },
    close: () => pool.destroy(),
  };
}
