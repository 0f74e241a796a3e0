// The worker thread of segment-pool.ts: a thin shell around its task.

import { toSteleError } from '../../base/errors.ts';
import type { TaskReply } from './load-worker.ts';
import { runSegmentTask } from './segment-task.ts';
import type { SegmentTask } from './segment-task.ts';

export default function work(task: SegmentTask): TaskReply<true> {
  try {
    runSegmentTask(task);
    return { outcome: true };
  } catch (thrown) {
    const { code, message } = toSteleError(thrown, 'CORRUPT');
    return { failure: { code, message } };
  }
}
