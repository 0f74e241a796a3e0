// The worker thread of segment-work.ts: a thin shell over the tasks.
//
// It runs at a lower priority than the thread that answers readers, if the system can set that for
// one thread (Linux). Errors cross the thread boundary as plain objects, because structured clone
// would strip the code from a SteleError.

import { toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { collectYoungGarbageSoon } from '../../base/process/free-memory.ts';
import { lowerThreadPriority } from '../../base/process/low-priority.ts';
import * as tasks from './segment-tasks.ts';

/** The reply of a worker. */
export type WorkerReply<Outcome> =
  | { readonly outcome: Outcome }
  | { readonly failure: { readonly code: ErrorCode; readonly message: string } };

const NICENESS = 10;

lowerThreadPriority(NICENESS);

export const measure = (task: tasks.MeasureTask) => reply(() => tasks.measure(task));
export const merge = (task: tasks.MergeTask) => reply(() => tasks.merge(task));
export const diff = (task: tasks.DiffTask) => reply(() => tasks.diff(task));
export const mergeToFile = (task: tasks.FileMergeTask) => reply(() => tasks.mergeToFile(task));
export const scrub = (task: tasks.ScrubTask) => reply(() => tasks.scrub(task));
export const scrubFile = (task: tasks.FileScrubTask) => reply(() => tasks.scrubFile(task));

function reply<Outcome>(run: () => Outcome): WorkerReply<Outcome> {
  // The segments may be dropped before this thread has anything else to collect.
  collectYoungGarbageSoon();
  try {
    return { outcome: run() };
  } catch (thrown) {
    const { code, message } = toSteleError(thrown);
    return { failure: { code, message } };
  }
}
