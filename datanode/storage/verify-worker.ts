// The worker thread of verifier.ts: a thin shell over its steps.
//
// It runs at the lowest priority, if the system can set that for one thread, and pauses between
// short time slices while there are readers: a verification can wait, because its caller waits for
// a disk too.

import { systemFiles } from '../../base/disk/files.ts';
import { writeFileSynced } from '../../base/disk/durable-file.ts';
import { toSteleError } from '../../base/errors.ts';
import { collectYoungGarbageSoon } from '../../base/process/free-memory.ts';
import { CooperativeYield, lowerThreadPriority } from '../../base/process/low-priority.ts';
import { runSteps } from '../../base/run-steps.ts';
import { openSegment } from '../../segment/reader.ts';
import type { ExpectedSegment } from './expected-segment.ts';
import { fileSteps } from './file-steps.ts';
import { stepsOf } from './verify-steps.ts';

export interface VerifyTask {
  readonly shared: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
  /** Seal of bytes that have passed the full check; empty if there are none. */
  readonly knownSeal: string;
  /** Where good bytes are written and synced; the file must not exist. Empty: nowhere. */
  readonly path: string;
  /** Whether readers are being answered at the same time. */
  readonly hasReaders: boolean;
}

/** A segment file that is checked without being held in memory. */
export interface FileTask {
  readonly file: ExpectedSegment & { readonly path: string };
  readonly knownSeal: string;
  /** Whether the file is synced if it is good. */
  readonly sync: boolean;
  readonly hasReaders: boolean;
}

/** Of a good file: what stays in memory, as it is shared between threads. */
export interface CheckedParts {
  readonly ok: true;
  readonly seal: string;
  /** Begins with header and index. */
  readonly head: ArrayBufferLike;
  readonly crcs: Uint32Array;
}

/** An error as data, because a thrown one would lose its code between threads. */
export type VerifyReply = { readonly ok: true; readonly seal: string } | VerifyFailure;

export type FileReply = CheckedParts | VerifyFailure;

interface VerifyFailure {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
}

lowerThreadPriority();
const yielding = new CooperativeYield();

export default function verify(task: VerifyTask): VerifyReply {
  // The segment may be dropped before this thread has anything else to collect.
  collectYoungGarbageSoon();
  const bytes = Buffer.from(task.shared, task.byteOffset, task.byteLength);
  const yieldIfDue = task.hasReaders ? () => yielding.yieldIfDue() : undefined;
  let seal: string;
  try {
    seal = runSteps(stepsOf(openSegment(bytes), task.knownSeal), yieldIfDue);
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

export function checkFile({ file, hasReaders, knownSeal, sync }: FileTask): FileReply {
  collectYoungGarbageSoon();
  const yieldIfDue = hasReaders ? () => yielding.yieldIfDue() : undefined;
  try {
    const open = systemFiles.openBlocking(file.path, sync ? 'r+' : 'r');
    try {
      const { resident, seal } = runSteps(fileSteps(open, file, knownSeal), yieldIfDue);
      if (sync) open.sync();
      return { ok: true, seal, head: resident.lines.buffer, crcs: resident.crcs };
    } finally {
      open.close();
    }
  } catch (thrown) {
    return failure(thrown, 'IO');
  }
}

function failure(thrown: unknown, otherwise: 'CORRUPT' | 'IO'): VerifyFailure {
  const { code, message } = toSteleError(thrown, otherwise);
  return { ok: false, code, message };
}
