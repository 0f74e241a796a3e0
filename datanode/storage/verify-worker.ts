// The worker thread of verifier.ts: a thin shell over its steps.
//
// It runs at the lowest priority, if the system can set that for one thread, and pauses between
// short time slices while there are readers: a verification can wait, because its caller waits for
// a disk too.

import { writeFileSynced } from '../../base/disk/durable-file.ts';
import { toSteleError } from '../../base/errors.ts';
import { collectYoungGarbageSoon } from '../../base/process/free-memory.ts';
import { CooperativeYield, lowerThreadPriority } from '../../base/process/low-priority.ts';
import { openSegment } from '../../segment/reader.ts';
import { stepsOf } from './verify-steps.ts';
import type { VerifyDepth } from './verify-steps.ts';

export interface VerifyTask {
  readonly shared: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly depth: VerifyDepth;
  /** Seal of bytes that have passed the full check; empty if there are none. */
  readonly knownSeal: string;
  /** Where good bytes are written and synced; the file must not exist. Empty: nowhere. */
  readonly path: string;
  /** Whether readers are being answered at the same time. */
  readonly hasReaders: boolean;
}

/** An error as data, because a thrown one would lose its code between threads. */
export type VerifyReply =
  | { readonly ok: true; readonly seal: string }
  | { readonly ok: false; readonly code: string; readonly message: string };

lowerThreadPriority();
const yielding = new CooperativeYield();

export default function verify(task: VerifyTask): VerifyReply {
  // The segment may be dropped before this thread has anything else to collect.
  collectYoungGarbageSoon();
  const bytes = Buffer.from(task.shared, task.byteOffset, task.byteLength);
  const yieldIfDue = task.hasReaders ? () => yielding.yieldIfDue() : undefined;
  let seal: string;
  try {
    seal = runSteps(stepsOf(openSegment(bytes), task.depth, task.knownSeal), yieldIfDue);
  } catch (thrown) {
    return failure(thrown, 'CORRUPT');
  }
  if (task.path === '') return { ok: true, seal };
  try {
    writeFileSynced(task.path, bytes, yieldIfDue);
    return { ok: true, seal };
  } catch (thrown) {
    return failure(thrown, 'IO');
  }
}

function runSteps(steps: Generator<number, string, void>, yieldIfDue?: () => void): string {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    yieldIfDue?.();
  }
}

function failure(thrown: unknown, otherwise: 'CORRUPT' | 'IO'): VerifyReply {
  const { code, message } = toSteleError(thrown, otherwise);
  return { ok: false, code, message };
}
