// The worker thread of segment-pool.ts: a thin shell around its tasks. It collects what it has
// received: shared memory does not count towards a heap, which would stay small and full of it.

import { toSteleError } from '../../base/errors.ts';
import { collectGarbage, collectYoungGarbageSoon } from '../../base/process/free-memory.ts';
import { runExportTask, runMergeTask } from './export-task.ts';
import type { ExportTask, ExportedFile, NotTextFound } from './export-task.ts';
import type { TaskReply } from './load-worker.ts';
import { runSegmentTask } from './segment-task.ts';
import type { SegmentTask } from './segment-task.ts';

export function check(task: SegmentTask): Promise<TaskReply<void>> {
  collectYoungGarbageSoon();
  return reply(() => runSegmentTask(task));
}

export function merge(
  segments: readonly SharedArrayBuffer[],
): Promise<TaskReply<SharedArrayBuffer>> {
  return reply(() => runMergeTask(segments));
}

export function write(task: ExportTask): Promise<TaskReply<ExportedFile | NotTextFound>> {
  collectGarbage();
  return reply(() => runExportTask(task));
}

async function reply<Outcome>(run: () => Outcome | Promise<Outcome>): Promise<TaskReply<Outcome>> {
  try {
    return { outcome: await run() };
  } catch (thrown) {
    const { code, message } = toSteleError(thrown, 'CORRUPT');
    return { failure: { code, message } };
  }
}
